#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace ember::state {

// OK for 1 to 63 of a-z, 0-9 and '-', starting with a letter and not ending in '-': names become
// directories and host names. Otherwise InvalidArgument (reason INVALID_NAME) that quotes the name,
// says which rule it breaks, and hints at all of them.
absl::Status ValidateVmName(std::string_view name);

}  // namespace ember::state
