#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

// Files strictly under /tmp, chosen by patterns such as "/tmp/thermite-*" (fnmatch(3), a component
// at a time). No link is followed on the way to them.
namespace ember::agent {

struct ScratchFile {
  int folder;        // that it is in; borrowed
  std::string name;  // there
  std::string path;
};

// Calls `visit` for each regular file that a pattern matches, once a pattern. Patterns that are not
// strictly under /tmp, or have ".." in them, match nothing; so does what can't be read. An error of
// `visit` ends it.
absl::Status ForEachScratchFile(const std::vector<std::string>& patterns,
                                const Cancellation& cancellation,
                                const std::function<absl::Status(const ScratchFile&)>& visit);

// The components of a path strictly under /tmp, without "tmp"; InvalidArgument for another path.
absl::StatusOr<std::vector<std::string>> BelowScratchRoot(const std::string& path);

}  // namespace ember::agent
