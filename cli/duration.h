#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ember::cli {

// Parses "30" (seconds), "1.5s", "250ms", "2m" or "1h30m"; never negative, never infinite.
// InvalidArgument names the text and shows what is accepted.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// Parses how long something may live: whole numbers with the units d, h, m and s, such as "2h",
// "90m", "1d12h" or "45s"; from a second to a hundred years. InvalidArgument names the text and
// what to type instead: a bare number is one, since nobody can tell its unit.
absl::StatusOr<absl::Duration> ParseTimeToLive(std::string_view text);

// "0.4s", "12.3s", "2m05s": how long something took, for a person.
std::string FormatElapsed(absl::Duration elapsed);

// "2d3h", "1h59m", "5m12s", "45s": the two largest units of a time that is still to come, for a
// person; "0s" when it has come.
std::string FormatRemaining(absl::Duration remaining);

}  // namespace ember::cli
