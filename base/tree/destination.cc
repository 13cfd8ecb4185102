#include "base/tree/destination.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/entry_name.h"

namespace ember::tree {
namespace {

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == ENOTDIR) return AlreadyExists("{}: not a directory", path);
  return ErrnoStatus(errno, path);
}

bool IsDirectory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

absl::StatusOr<Destination> OpenDestination(const std::string& path,
                                            std::optional<std::string_view> single) {
  if (path.empty()) return InvalidArgument("no path");
  Destination destination;
  if (!single.has_value()) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, path);
    ASSIGN_OR_RETURN(destination.root, OpenDirectory(path));
    return destination;
  }
  if (IsDirectory(path)) {
    RETURN_IF_ERROR(CheckComponent(*single));
    destination.top = *single;
    ASSIGN_OR_RETURN(destination.root, OpenDirectory(path));
    return destination;
  }
  const size_t end = path.find_last_not_of('/') + 1;
  const size_t slash = path.rfind('/', end - 1);
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  destination.top = path.substr(start, end - start);
  destination.directory_only = end < path.size();
  RETURN_IF_ERROR(Annotate(CheckComponent(destination.top), path));
  ASSIGN_OR_RETURN(destination.root, OpenDirectory(start == 0 ? "." : path.substr(0, start)));
  return destination;
}

}  // namespace ember::tree
