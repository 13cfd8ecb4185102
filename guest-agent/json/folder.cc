#include "guest-agent/json/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

std::vector<std::string> ComponentsOf(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, end);
    if (!component.empty() && component != ".") components.emplace_back(component);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

absl::StatusOr<UniqueFd> OpenFolderAt(int parent, const std::string& name) {
  UniqueFd folder(openat(parent, name.c_str(), kFolder));
  if (!folder.valid()) return ErrnoStatus(errno, name);
  return folder;
}

absl::StatusOr<UniqueFd> OpenFolder(std::string_view path) {
  UniqueFd folder(open("/", kFolder));
  if (!folder.valid()) return ErrnoStatus(errno, "/");
  for (const std::string& component : ComponentsOf(path)) {
    ASSIGN_OR_RETURN(folder, OpenFolderAt(folder.get(), component));
  }
  return folder;
}

absl::StatusOr<UniqueFd> MakeFolders(int top, std::span<const std::string> components,
                                     mode_t mode) {
  UniqueFd folder(openat(top, ".", kFolder));
  if (!folder.valid()) return ErrnoStatus(errno, "open");
  for (const std::string& component : components) {
    if (mkdirat(folder.get(), component.c_str(), mode) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, component);
    }
    ASSIGN_OR_RETURN(folder, OpenFolderAt(folder.get(), component));
  }
  return folder;
}

absl::StatusOr<std::vector<std::string>> NamesIn(int folder) {
  // A description of its own: reading moves its position.
  UniqueFd own(openat(folder, ".", kFolder));
  if (!own.valid()) return ErrnoStatus(errno, "reading a directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(own.get()), closedir);
  if (stream == nullptr) return ErrnoStatus(errno, "reading a directory");
  (void)own.Release();  // the stream's
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, "reading a directory");
  return names;
}

bool IsMountPoint(int folder) {
  struct statx info;
  return statx(folder, "", AT_EMPTY_PATH, 0, &info) == 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace ember::agent
