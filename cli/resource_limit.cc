#include "cli/resource_limit.h"

#include <charconv>
#include <string>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::cli {
namespace {

absl::StatusOr<uint64_t> ParseValue(std::string_view whole, std::string_view text) {
  if (text == "unlimited") return UINT64_MAX;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return InvalidArgument("--ulimit '{}': '{}' is neither a number nor 'unlimited'", whole, text);
}

}  // namespace

absl::StatusOr<v1::ResourceLimit> ParseResourceLimit(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    return WithHint(InvalidArgument("--ulimit '{}' is not NAME=SOFT[:HARD]", text),
                    "such as --ulimit nofile=1024:4096");
  }
  v1::ResourceLimit limit;
  limit.set_name(text.data(), equals);
  absl::AsciiStrToLower(limit.mutable_name());
  const std::string_view values = text.substr(equals + 1);
  const size_t colon = values.find(':');
  ASSIGN_OR_RETURN(const uint64_t soft, ParseValue(text, values.substr(0, colon)));
  uint64_t hard = soft;
  if (colon != std::string_view::npos) {
    ASSIGN_OR_RETURN(hard, ParseValue(text, values.substr(colon + 1)));
  }
  if (soft > hard) {
    return InvalidArgument("--ulimit '{}': the soft limit is over the hard one", text);
  }
  limit.set_soft(soft);
  limit.set_hard(hard);
  return limit;
}

}  // namespace ember::cli
