#include "base/tree/pax.h"

#include <charconv>
#include <limits>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::tree {
namespace {

constexpr uint32_t kNanoseconds = 1'000'000'000;

// The fraction's digits as nanoseconds.
absl::StatusOr<uint32_t> ParseFraction(std::string_view digits) {
  uint32_t nanoseconds = 0;
  uint32_t weight = kNanoseconds / 10;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return InvalidArgument("a pax time is no number");
    nanoseconds += static_cast<uint32_t>(digit - '0') * weight;
    weight /= 10;
  }
  return nanoseconds;
}

}  // namespace

void AppendPaxRecord(std::string_view key, std::string_view value, std::string& out) {
  const size_t rest = key.size() + value.size() + 3;  // ' ', '=' and '\n'
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) {
    length = rest + std::to_string(length).size();
  }
  out += std::to_string(length);
  out += ' ';
  out += key;
  out += '=';
  out += value;
  out += '\n';
}

absl::Status ForEachPaxRecord(
    std::string_view body,
    absl::FunctionRef<absl::Status(std::string_view key, std::string_view value)> take) {
  while (!body.empty()) {
    const size_t blank = body.find(' ');
    if (blank == std::string_view::npos) return InvalidArgument("a pax record has no length");
    ASSIGN_OR_RETURN(const uint64_t length, ParseDecimal(body.substr(0, blank)));
    if (length > body.size() || length < blank + 2 || body[length - 1] != '\n') {
      return InvalidArgument("a pax record is not as long as it says");
    }
    const std::string_view record = body.substr(blank + 1, length - blank - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return InvalidArgument("a pax record has no value");
    RETURN_IF_ERROR(take(record.substr(0, equals), record.substr(equals + 1)));
    body.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ParseDecimal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return InvalidArgument("a number in the tar stream is malformed or too large");
  }
  return value;
}

absl::StatusOr<FileTime> ParsePaxTime(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  ASSIGN_OR_RETURN(const uint64_t seconds, ParseDecimal(text.substr(0, point)));
  FileTime time{static_cast<int64_t>(seconds), 0};
  if (point != std::string_view::npos) {
    ASSIGN_OR_RETURN(time.nanoseconds, ParseFraction(text.substr(point + 1)));
  }
  if (!negative) return time;
  time.seconds = -time.seconds;
  if (time.nanoseconds > 0) {
    time.seconds -= 1;
    time.nanoseconds = kNanoseconds - time.nanoseconds;
  }
  return time;
}

std::string PaxTimeText(const FileTime& time) {
  if (time.nanoseconds == 0) return std::to_string(time.seconds);
  if (time.seconds >= 0) return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
  return fmt::format("-{}.{:09}", -(time.seconds + 1), kNanoseconds - time.nanoseconds);
}

}  // namespace ember::tree
