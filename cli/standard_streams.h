#pragma once

#include <string_view>

#include "absl/status/status.h"

// Unbuffered writes to the process's own stdout and stderr. They block until all is written.
namespace ember::cli {

// The error names the cause (a full disk, a closed pipe where SIGPIPE is ignored).
absl::Status WriteStdout(std::string_view bytes);
// Notes and progress: there is nowhere to tell of a failure, so it is ignored.
void WriteStderr(std::string_view bytes);

}  // namespace ember::cli
