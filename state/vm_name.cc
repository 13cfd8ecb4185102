#include "state/vm_name.h"

#include <algorithm>

#include "base/status.h"
#include "state/quotable.h"

namespace ember::state {
namespace {

constexpr size_t kMaxName = 63;

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
bool IsAllowed(char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '-'; }

absl::Status Refuse(std::string_view name, std::string_view rule) {
  return WithReason(WithHint(InvalidArgument("invalid vm name '{}': {}", Quotable(name), rule),
                             "a vm name is 1 to 63 of a-z, 0-9 and '-', starts with a letter and "
                             "does not end in '-', e.g. dev-1"),
                    "INVALID_NAME");
}

}  // namespace

absl::Status ValidateVmName(std::string_view name) {
  if (name.empty()) return Refuse(name, "it is empty");
  if (name.size() > kMaxName) {
    return Refuse(
        name, fmt::format("it has {} characters, at most {} are allowed", name.size(), kMaxName));
  }
  const auto bad = std::find_if_not(name.begin(), name.end(), IsAllowed);
  if (bad != name.end()) {
    if (*bad >= 'A' && *bad <= 'Z') return Refuse(name, "upper-case letters are not allowed");
    if (*bad > 0x20 && *bad < 0x7f) {
      return Refuse(name, fmt::format("'{}' is not allowed", *bad));
    }
    return Refuse(name,
                  *bad == ' ' ? "blanks are not allowed" : "only a-z, 0-9 and '-' are allowed");
  }
  if (!IsLetter(name.front())) return Refuse(name, "it does not start with a letter");
  if (name.back() == '-') return Refuse(name, "it ends in '-'");
  return absl::OkStatus();
}

}  // namespace ember::state
