#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace ember::agent {

// Unmounts everything at or below a resolved path, deepest first and lazily: what is still in use
// goes when its last user does.
absl::Status UnmountAtOrUnder(std::string_view path);

}  // namespace ember::agent
