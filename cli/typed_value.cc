#include "cli/typed_value.h"

#include <algorithm>
#include <charconv>

#include "base/size.h"
#include "base/status.h"
#include "cli/suggestion.h"

namespace ember::cli {

absl::StatusOr<uint64_t> ParseNumber(std::string_view name, std::string_view text, uint64_t least) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument("{} '{}' is not a whole number", name, text);
  }
  if (number < 0 || static_cast<uint64_t>(number) < least) {
    return InvalidArgument("{} '{}' must be at least {}", name, text, least);
  }
  return static_cast<uint64_t>(number);
}

absl::StatusOr<std::string> ParseChoice(std::string_view name, const std::string& text,
                                        const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), text) != words.end()) return text;
  const absl::Status status =
      InvalidArgument("{} '{}' is none of {}", name, text, fmt::join(words, ", "));
  const auto near = NearestWord(text, words);
  return near.has_value() ? WithHint(status, fmt::format("did you mean '{}'?", *near)) : status;
}

absl::StatusOr<uint32_t> MemoryMib(std::string_view name, uint64_t bytes) {
  if (bytes % kMiB != 0) {
    return InvalidArgument("{} '{}' is not a whole number of MiB", name, FormatSize(bytes));
  }
  if (bytes / kMiB > UINT32_MAX) {
    return InvalidArgument("{} '{}' is too large", name, FormatSize(bytes));
  }
  return static_cast<uint32_t>(bytes / kMiB);
}

}  // namespace ember::cli
