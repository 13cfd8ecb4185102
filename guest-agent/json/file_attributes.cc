#include "guest-agent/json/file_attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/status.h"

namespace ember::agent {
namespace {

constexpr mode_t kPermissions = 07777;

// All names, each with a zero byte behind it; empty where there are none to be had.
std::string AttributeNames(int file) {
  const ssize_t size = flistxattr(file, nullptr, 0);
  if (size <= 0) return "";
  std::string names(static_cast<size_t>(size), '\0');
  const ssize_t got = flistxattr(file, names.data(), names.size());
  names.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return names;
}

void CopyExtended(int from, int to) {
  const std::string names = AttributeNames(from);
  for (size_t at = 0; at < names.size(); at += std::strlen(&names[at]) + 1) {
    const char* name = &names[at];
    const ssize_t size = fgetxattr(from, name, nullptr, 0);
    if (size < 0) continue;
    std::string value(static_cast<size_t>(size), '\0');
    const ssize_t got = fgetxattr(from, name, value.data(), value.size());
    if (got >= 0) (void)fsetxattr(to, name, value.data(), static_cast<size_t>(got), 0);
  }
}

}  // namespace

absl::Status CopyAttributes(int from, int to, const struct stat& info) {
  // The owner first: a change of it drops setuid bits and capabilities.
  if (fchown(to, info.st_uid, info.st_gid) != 0) return ErrnoStatus(errno, "chown");
  if (fchmod(to, info.st_mode & kPermissions) != 0) return ErrnoStatus(errno, "chmod");
  CopyExtended(from, to);
  const timespec times[2] = {info.st_atim, info.st_mtim};
  return futimens(to, times) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "utimens");
}

absl::Status SetAttributesAt(int folder, const char* name, const struct stat& info) {
  if (fchownat(folder, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "chown");
  }
  if (!S_ISLNK(info.st_mode) && fchmodat(folder, name, info.st_mode & kPermissions, 0) != 0) {
    return ErrnoStatus(errno, "chmod");
  }
  const timespec times[2] = {info.st_atim, info.st_mtim};
  return utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) == 0 ? absl::OkStatus()
                                                                  : ErrnoStatus(errno, "utimens");
}

}  // namespace ember::agent
