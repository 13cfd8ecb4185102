#include "guest-agent/file_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/status.h"
#include "base/utf8.h"

namespace ember::agent {
namespace {

constexpr uint64_t kDiskBlock = 512;
constexpr int64_t kNanoseconds = 1'000'000'000;

std::string TargetOf(int directory, const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(directory, path.c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return ToUtf8(target);
}

}  // namespace

absl::Status CheckPath(const std::string& path) {
  if (!path.starts_with('/')) return InvalidArgument("'{}' is no absolute path", path);
  if (path.size() >= PATH_MAX || path.find('\0') != std::string::npos) {
    return InvalidArgument("the path is too long, or has a NUL in it");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::FileInfo> FactsOf(int directory, const std::string& path, Links links,
                                     const IdNames& names) {
  struct stat status {};
  const int flags = links == Links::kFollow ? 0 : AT_SYMLINK_NOFOLLOW;
  if (::fstatat(directory, path.c_str(), &status, flags) != 0) return ErrnoStatus(errno, path);
  v1::FileInfo facts;
  facts.set_name(ToUtf8(path));
  facts.set_mode(status.st_mode);
  facts.set_size_bytes(static_cast<uint64_t>(status.st_size));
  facts.set_disk_bytes(static_cast<uint64_t>(status.st_blocks) * kDiskBlock);
  facts.set_uid(status.st_uid);
  facts.set_gid(status.st_gid);
  facts.set_mtime_unix_ns(status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec);
  if (S_ISLNK(status.st_mode)) facts.set_link_target(TargetOf(directory, path));
  facts.set_user(names.User(status.st_uid));
  facts.set_group(names.Group(status.st_gid));
  return facts;
}

}  // namespace ember::agent
