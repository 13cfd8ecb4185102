#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "base/cancellation.h"

namespace ember::daemon {

// Reads a console as it grows. Begins with the last `tail_bytes` bytes (0: all that is kept), then
// goes on until `cancellation` ends it or `write` fails; a console that is cut short or replaced is
// followed from its new beginning. `write` may block. Blocks.
absl::Status FollowConsole(const std::filesystem::path& path, size_t tail_bytes,
                           const Cancellation& cancellation,
                           const std::function<absl::Status(std::string_view)>& write);

}  // namespace ember::daemon
