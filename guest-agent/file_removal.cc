#include "guest-agent/file_removal.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/entry.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// One removal with all that is below it.
class Removal {
 public:
  Removal(std::string path, const Cancellation& cancellation)
      : path_(std::move(path)), cancellation_(cancellation) {}

  // Somebody else may remove the same at the same time.
  absl::Status Remove(int parent, const char* name) {
    RETURN_IF_ERROR(cancellation_.Check(path_));
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return absl::OkStatus();
    if (errno != EISDIR) return ErrnoStatus(errno, path_);
    RETURN_IF_ERROR(Empty(parent, name));
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return absl::OkStatus();
    return ErrnoStatus(errno, path_);
  }

 private:
  absl::Status Empty(int parent, const char* name) {
    if (depth_ == tree::kMaxDepth) {
      return InvalidArgument("{}: folders nested deeper than {}", path_, tree::kMaxDepth);
    }
    const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, path_);
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd));
    if (directory == nullptr) {
      ::close(fd);
      return ResourceExhausted("{}: no memory", path_);
    }
    ++depth_;
    const size_t length = path_.size();
    while (const dirent* member = ::readdir(directory.get())) {
      const std::string_view member_name = member->d_name;
      if (member_name == "." || member_name == "..") continue;
      path_ += '/';
      path_ += member_name;
      RETURN_IF_ERROR(Remove(fd, member->d_name));
      path_.resize(length);
    }
    --depth_;
    return absl::OkStatus();
  }

  std::string path_;  // for messages
  const Cancellation& cancellation_;
  size_t depth_ = 0;
};

}  // namespace

absl::Status RemoveFile(const std::string& path, RemovalOptions options,
                        const Cancellation& cancellation) {
  const size_t end = path.find_last_not_of('/') + 1;
  const size_t start = path.rfind('/', end == 0 ? 0 : end - 1) + 1;
  if (end == 0) return PermissionDenied("the root is not removed");
  const std::string name = path.substr(start, end - start);
  if (name == "." || name == "..") return InvalidArgument("{}: it has no name of its own", path);
  const UniqueFd parent(::open(path.substr(0, start).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool there =
      parent.valid() && ::faccessat(parent.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  if (!there) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    return missing && options.missing_ok ? absl::OkStatus() : ErrnoStatus(errno, path);
  }
  if (options.recursive) return Removal(path, cancellation).Remove(parent.get(), name.c_str());
  if (::unlinkat(parent.get(), name.c_str(), 0) == 0) return absl::OkStatus();
  if (errno == EISDIR) return InvalidArgument("{}: it is a directory", path);
  return ErrnoStatus(errno, path);
}

}  // namespace ember::agent
