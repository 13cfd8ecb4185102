#include "cli/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

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

struct Unit {
  char letter;
  absl::Duration length;
};
const std::array<Unit, 4>& Units() {
  static const std::array<Unit, 4> kUnits = {{{'d', absl::Hours(24)},
                                              {'h', absl::Hours(1)},
                                              {'m', absl::Minutes(1)},
                                              {'s', absl::Seconds(1)}}};
  return kUnits;
}

constexpr int64_t kLongestDays = 36500;  // so that no sum with a date of today overflows

// Takes a number and its unit off the front of `text`.
std::optional<absl::Duration> TakePart(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument || end == text.data() + text.size()) return std::nullopt;
  if (text[0] == '-') return std::nullopt;
  for (const Unit& unit : Units()) {
    if (unit.letter != *end) continue;
    text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
    return error == std::errc() ? number * unit.length : absl::InfiniteDuration();
  }
  return std::nullopt;
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

absl::StatusOr<absl::Duration> ParseTimeToLive(std::string_view text) {
  if (IsPlainNumber(text)) {
    return InvalidArgument("bare number '{0}' requires a unit suffix (e.g., {0}s, {0}m or {0}h)",
                           text);
  }
  absl::Duration sum;
  std::string_view rest = text;
  do {
    const auto part = TakePart(rest);
    if (!part.has_value()) {
      return InvalidArgument("duration '{}' is not a time (e.g., 45s, 90m, 2h or 1d12h)", text);
    }
    sum += *part;
  } while (!rest.empty());
  if (sum < absl::Seconds(1)) return InvalidArgument("duration '{}' is less than a second", text);
  if (sum > absl::Hours(24) * kLongestDays) {
    return InvalidArgument("duration '{}' is too long (at most {}d)", text, kLongestDays);
  }
  return sum;
}

std::string FormatElapsed(absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}m{:02}s", whole / 60, whole % 60);
}

std::string FormatRemaining(absl::Duration remaining) {
  std::string text;
  int parts = 0;
  for (const Unit& unit : Units()) {
    const int64_t count = absl::IDivDuration(remaining, unit.length, &remaining);
    if (count > 0) text += fmt::format("{}{}", count, unit.letter);
    if (!text.empty() && ++parts == 2) break;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace ember::cli
