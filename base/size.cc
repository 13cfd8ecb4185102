#include "base/size.h"

#include <array>
#include <cctype>
#include <charconv>

#include "base/status.h"

namespace ember {
namespace {

struct Unit {
  char letter;
  int shift;
};
constexpr std::array<Unit, 4> kUnits = {{{'K', 10}, {'M', 20}, {'G', 30}, {'T', 40}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::StatusOr<int> ShiftOf(std::string_view unit, std::string_view number, std::string_view text) {
  const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0])));
  for (const Unit& known : kUnits) {
    if (known.letter != letter) continue;
    const std::string_view rest = unit.substr(1);
    if (rest.empty() || rest == "iB" || rest == "ib") return known.shift;
    if (rest == "B" || rest == "b") {
      return InvalidArgument("size '{}' uses a decimal unit; use {}{} or {}{}iB (powers of 1024)",
                             text, number, letter, number, letter);
    }
  }
  return InvalidArgument("size '{}' has an unknown unit '{}'; use K, M, G or T (e.g., 512M)", text,
                         unit);
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  const std::string_view number = text.substr(0, digits);
  const std::string_view unit = text.substr(digits);
  if (number.empty()) {
    return InvalidArgument("size '{}' is not a number with a unit (e.g., 512M or 8G)", text);
  }
  if (unit.empty()) {
    return InvalidArgument("bare number '{}' requires a unit suffix (e.g., {}M or {}G)", text, text,
                           text);
  }
  if (unit[0] == '.' || unit[0] == ',') {
    return InvalidArgument(
        "size '{}' is a fraction; use a whole number of a smaller unit (e.g., 1536M)", text);
  }
  uint64_t value = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
  auto shift = ShiftOf(unit, number, text);
  if (!shift.ok()) return shift.status();
  if (parsed.ec != std::errc() || value > (UINT64_MAX >> *shift)) {
    return InvalidArgument("size '{}' is too large", text);
  }
  if (value == 0) return InvalidArgument("size '{}' must be greater than zero", text);
  return value << *shift;
}

std::string FormatSize(uint64_t bytes) {
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend(); ++unit) {
    const uint64_t one = uint64_t{1} << unit->shift;
    if (bytes >= one && bytes % one == 0)
      return fmt::format("{}{}", bytes >> unit->shift, unit->letter);
  }
  return fmt::format("{}B", bytes);
}

}  // namespace ember
