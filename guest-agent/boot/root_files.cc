#include "guest-agent/boot/root_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

constexpr size_t kMostBytes = 4096;

// The folder of a path, and the name in it.
struct Place {
  std::string folder;
  std::string name;
};

Place PlaceOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

enum class Kind { kNone, kFile, kOther };

Kind KindOf(int folder, const std::string& name) {
  struct stat status {};
  if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return Kind::kNone;
  return S_ISREG(status.st_mode) ? Kind::kFile : Kind::kOther;
}

absl::Status WriteAll(int fd, std::string_view bytes, std::string_view path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RootFiles> RootFiles::Open(const std::filesystem::path& root) {
  UniqueFd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, root.native());
  return RootFiles(std::move(fd));
}

bool RootFiles::writable() const {
  struct statvfs filesystem {};
  return fstatvfs(root_.get(), &filesystem) == 0 && (filesystem.f_flag & ST_RDONLY) == 0;
}

absl::StatusOr<UniqueFd> RootFiles::OpenFolder(std::string_view path) const {
  const std::string name = path.empty() ? "/" : std::string(path);
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  UniqueFd folder(
      static_cast<int>(syscall(SYS_openat2, root_.get(), name.c_str(), &how, sizeof(how))));
  if (!folder.valid()) return ErrnoStatus(errno, name);
  return folder;
}

absl::StatusOr<std::optional<std::string>> RootFiles::Read(std::string_view path) const {
  const Place place = PlaceOf(path);
  auto folder = OpenFolder(place.folder);
  if (absl::IsNotFound(folder.status())) return std::nullopt;
  RETURN_IF_ERROR(folder.status());
  if (KindOf(folder->get(), place.name) != Kind::kFile) return std::nullopt;
  const UniqueFd file(
      openat(folder->get(), place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  std::array<char, kMostBytes> bytes;
  const ssize_t got = file.valid() ? read(file.get(), bytes.data(), bytes.size()) : -1;
  if (got < 0) return ErrnoStatus(errno, path);
  return std::string(bytes.data(), static_cast<size_t>(got));
}

absl::Status RootFiles::Replace(std::string_view path, std::string_view content,
                                mode_t mode) const {
  const Place place = PlaceOf(path);
  ASSIGN_OR_RETURN(const UniqueFd folder, OpenFolder(place.folder));
  if (KindOf(folder.get(), place.name) == Kind::kOther) {
    return FailedPrecondition("{} is no regular file", path);
  }
  const std::string draft = fmt::format(".{}.ember-new", place.name);
  // What a boot that was cut off may have left.
  unlinkat(folder.get(), draft.c_str(), 0);
  const UniqueFd file(openat(folder.get(), draft.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(errno, path);
  absl::Status written = WriteAll(file.get(), content, path);
  if (written.ok() && fchmod(file.get(), mode) != 0) written = ErrnoStatus(errno, path);
  if (written.ok() &&
      renameat(folder.get(), draft.c_str(), folder.get(), place.name.c_str()) != 0) {
    written = ErrnoStatus(errno, path);
  }
  if (!written.ok()) unlinkat(folder.get(), draft.c_str(), 0);
  return written;
}

absl::Status RootFiles::Remove(std::string_view path) const {
  const Place place = PlaceOf(path);
  const auto folder = OpenFolder(place.folder);
  if (absl::IsNotFound(folder.status())) return absl::OkStatus();
  RETURN_IF_ERROR(folder.status());
  if (KindOf(folder->get(), place.name) != Kind::kFile) return absl::OkStatus();
  return unlinkat(folder->get(), place.name.c_str(), 0) == 0 ? absl::OkStatus()
                                                             : ErrnoStatus(errno, path);
}

std::vector<std::string> RootFiles::List(std::string_view path) const {
  std::vector<std::string> names;
  auto folder = OpenFolder(path);
  if (!folder.ok()) return names;
  const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(folder->get()));
  if (directory == nullptr) return names;
  (void)folder->Release();  // the directory's now
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status RootFiles::MakeFolder(std::string_view path) const {
  const Place place = PlaceOf(path);
  ASSIGN_OR_RETURN(const UniqueFd folder, OpenFolder(place.folder));
  const bool made = mkdirat(folder.get(), place.name.c_str(), 0755) == 0 || errno == EEXIST;
  return made ? absl::OkStatus() : ErrnoStatus(errno, path);
}

absl::Status RootFiles::Sync() const {
  return syncfs(root_.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "sync");
}

}  // namespace ember::agent
