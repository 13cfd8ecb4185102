#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ember::cli {

// Parses "30" (seconds), "1.5s", "250ms", "2m" or "1h30m"; never negative, never infinite.
// InvalidArgument names the text and shows what is accepted.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// "0.4s", "12.3s", "2m05s": how long something took, for a person.
std::string FormatElapsed(absl::Duration elapsed);

}  // namespace ember::cli
