#include "cli/duration.h"

#include "base/status.h"

namespace ember::cli {
namespace {

bool IsPlainNumber(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if ((c < '0' || c > '9') && c != '.') return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  std::string with_unit(text);
  if (IsPlainNumber(text)) with_unit += "s";
  absl::Duration duration;
  if (!absl::ParseDuration(with_unit, &duration) || duration == absl::InfiniteDuration()) {
    return InvalidArgument("duration '{}' is not a time (e.g., 30, 1.5s, 2m or 1h30m)", text);
  }
  if (duration < absl::ZeroDuration()) {
    return InvalidArgument("duration '{}' is negative", text);
  }
  return duration;
}

std::string FormatElapsed(absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}m{:02}s", whole / 60, whole % 60);
}

}  // namespace ember::cli
