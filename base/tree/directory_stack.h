#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/entry.h"
#include "base/unique_fd.h"

namespace ember::tree {

// What a file or directory gets besides its content.
struct Attributes {
  mode_t mode = 0755;
  FileTime modified;
  struct Owner {
    uid_t uid;
    gid_t gid;
  };
  std::optional<Owner> owner;  // absent: as it was made
};

// Gives an open file its attributes. The owner goes first: changing it takes setuid bits away.
absl::Status SetAttributes(int fd, const Attributes& attributes);

// The directories from a root down to where a sink is at work, all open: each was opened as one
// component below the one above it and not through a symbolic link, so nothing that is moved or
// replaced meanwhile leads out of the root, and the next file of the same folder costs no look-up.
// A directory that was made gets its attributes when it is left, after all that is put into it.
// Not thread-safe.
class DirectoryStack {
 public:
  explicit DirectoryStack(UniqueFd root) : root_(std::move(root)) {}

  // Goes to the directory; what is missing on the way is made (0755). The descriptor is borrowed
  // until the next call. PermissionDenied when a symbolic link is in the way.
  absl::StatusOr<int> Enter(std::span<const std::string_view> components);
  // Goes to a directory and makes it, unless it is there: then it stays as it is.
  absl::Status Make(std::span<const std::string_view> components, const Attributes& attributes);
  // Leaves all.
  absl::Status LeaveAll() { return LeaveTo(0); }

 private:
  struct Level {
    std::string name;
    UniqueFd fd;
    std::optional<Attributes> attributes;  // of one that was made for an entry
  };
  enum class Made { kYes, kNo };

  absl::Status LeaveTo(size_t depth);
  // Makes the directory with `mode` when it is missing.
  absl::StatusOr<Made> Descend(std::string_view name, mode_t mode);
  int top() const { return levels_.empty() ? root_.get() : levels_.back().fd.get(); }
  std::string PathTo(std::string_view name) const;

  UniqueFd root_;
  std::vector<Level> levels_;
};

}  // namespace ember::tree
