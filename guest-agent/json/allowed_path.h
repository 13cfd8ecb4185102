#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// The places that workspaces may have: strictly under /home/ubuntu or /tmp. Everything else is
// refused, and so is what can't be told.
namespace ember::agent {

inline constexpr std::string_view kScratchRoot = "/tmp";

// An entry of a directory, there or not.
struct AllowedPath {
  std::string path;  // resolved: no links, "." or ".." in it
  std::string name;  // its last component
  UniqueFd parent;   // the directory that it is in
};

// What to do with a link at the very end of a path: kKeep means the link itself, kFollow its
// target.
enum class LastLink { kKeep, kFollow };

// Checks `text` as it stands and with its links resolved: either way it has to be under the same
// allowed root. PermissionDenied when it is not, NotFound when the directory that would hold it
// does not exist.
absl::StatusOr<AllowedPath> CheckAllowed(std::string_view text, LastLink last);

// Whether an absolute, resolved path is `path` or below it.
bool IsAtOrUnder(std::string_view candidate, std::string_view path);

// InvalidArgument unless `text` is absolute and has no ".." in it.
absl::Status CheckAbsolute(std::string_view text);

}  // namespace ember::agent
