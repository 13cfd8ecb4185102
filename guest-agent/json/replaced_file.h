#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/cancellation.h"

namespace ember::agent {

// Gives the file at `path` new content in one step: under a temporary name in the same directory,
// then renamed. Behind symbolic links it is their target that is replaced, or made. A file that is
// there keeps its mode and owner, a new one has 0644. A directory, device or the like is
// FailedPrecondition. After an error the old content stands and nothing else is left.
absl::Status ReplaceFile(const std::string& path, std::string_view content,
                         const Cancellation& cancellation);

}  // namespace ember::agent
