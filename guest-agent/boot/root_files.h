#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace ember::agent {

// The files of an image's root, for changes at boot that must not go astray: folders are found as
// in a chroot, never across a mount point, and a file that is a symbolic link is no file of ours.
// Paths are absolute. Not thread-safe.
class RootFiles {
 public:
  static absl::StatusOr<RootFiles> Open(const std::filesystem::path& root);

  // Whether anything can be changed.
  bool writable() const;

  // The content of a regular file of at most 4 KiB; nothing when it is not there, or another thing.
  absl::StatusOr<std::optional<std::string>> Read(std::string_view path) const;

  // Makes the file, or another one in its place: as a whole, or not at all. NotFound without its
  // folder; FailedPrecondition when what is there is no regular file.
  absl::Status Replace(std::string_view path, std::string_view content, mode_t mode) const;

  // Removes a regular file. OK when it is not there, or another thing.
  absl::Status Remove(std::string_view path) const;

  // The names in a folder, sorted; none when it is not there.
  std::vector<std::string> List(std::string_view folder) const;

  // Makes one folder in a folder that is there. OK when it is there.
  absl::Status MakeFolder(std::string_view path) const;

  // Everything that was changed is on the disk.
  absl::Status Sync() const;

 private:
  explicit RootFiles(UniqueFd root) : root_(std::move(root)) {}
  absl::StatusOr<UniqueFd> OpenFolder(std::string_view path) const;

  UniqueFd root_;
};

}  // namespace ember::agent
