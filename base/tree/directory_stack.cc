#include "base/tree/directory_stack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::tree {
namespace {

UniqueFd OpenDirectoryAt(int parent, const std::string& name) {
  return UniqueFd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Why `name` can't be opened as a directory.
absl::Status NoDirectory(int parent, const std::string& name, int error, const std::string& path) {
  struct stat status {};
  if (error == ENOTDIR && ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISLNK(status.st_mode)) {
      return PermissionDenied("{}: a symbolic link is where a directory should be", path);
    }
    return AlreadyExists("{}: a file is where a directory should be", path);
  }
  return ErrnoStatus(error, path);
}

}  // namespace

absl::Status SetAttributes(int fd, const Attributes& attributes) {
  if (attributes.owner.has_value() &&
      ::fchown(fd, attributes.owner->uid, attributes.owner->gid) != 0) {
    return ErrnoStatus(errno, "setting the owner");
  }
  if (::fchmod(fd, attributes.mode) != 0) return ErrnoStatus(errno, "setting the mode");
  const timespec modified{attributes.modified.seconds,
                          static_cast<long>(attributes.modified.nanoseconds)};
  const timespec times[2] = {{0, UTIME_NOW}, modified};
  if (::futimens(fd, times) != 0) return ErrnoStatus(errno, "setting the time");
  return absl::OkStatus();
}

absl::StatusOr<int> DirectoryStack::Enter(std::span<const std::string_view> components) {
  size_t shared = 0;
  while (shared < components.size() && shared < levels_.size() &&
         levels_[shared].name == components[shared]) {
    ++shared;
  }
  RETURN_IF_ERROR(LeaveTo(shared));
  for (const std::string_view component : components.subspan(shared)) {
    RETURN_IF_ERROR(Descend(component, 0755).status());
  }
  return top();
}

absl::Status DirectoryStack::Make(std::span<const std::string_view> components,
                                  const Attributes& attributes) {
  RETURN_IF_ERROR(Enter(components.first(components.size() - 1)).status());
  // Nobody else looks into it before it has its own mode.
  ASSIGN_OR_RETURN(const Made made, Descend(components.back(), 0700));
  if (made == Made::kYes) levels_.back().attributes = attributes;
  return absl::OkStatus();
}

absl::StatusOr<DirectoryStack::Made> DirectoryStack::Descend(std::string_view name, mode_t mode) {
  Level level{std::string(name), {}, {}};
  Made made = Made::kNo;
  level.fd = OpenDirectoryAt(top(), level.name);
  if (!level.fd.valid() && errno == ENOENT) {
    if (::mkdirat(top(), level.name.c_str(), mode) != 0) return ErrnoStatus(errno, PathTo(name));
    made = Made::kYes;
    level.fd = OpenDirectoryAt(top(), level.name);
  }
  if (!level.fd.valid()) return NoDirectory(top(), level.name, errno, PathTo(name));
  levels_.push_back(std::move(level));
  return made;
}

absl::Status DirectoryStack::LeaveTo(size_t depth) {
  while (levels_.size() > depth) {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    if (!level.attributes.has_value()) continue;
    const absl::Status set = SetAttributes(level.fd.get(), *level.attributes);
    if (!set.ok()) return Annotate(set, PathTo(level.name));
  }
  return absl::OkStatus();
}

std::string DirectoryStack::PathTo(std::string_view name) const {
  std::string path;
  for (const Level& level : levels_) path += level.name + '/';
  return path += name;
}

}  // namespace ember::tree
