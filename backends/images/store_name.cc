#include "backends/images/store_name.h"

#include "base/status.h"

namespace ember::images {
namespace {

constexpr size_t kMaxName = 63;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

absl::Status CheckStoreName(std::string_view kind, std::string_view name) {
  if (name.empty()) return InvalidArgument("{} name is empty", kind);
  if (name.size() > kMaxName) {
    return InvalidArgument("{} name '{}' has {} characters; at most {} are allowed", kind, name,
                           name.size(), kMaxName);
  }
  if (!IsLowerOrDigit(name[0])) {
    return InvalidArgument("{} name '{}' must start with a letter a-z or a digit", kind, name);
  }
  for (const char c : name) {
    if (IsLowerOrDigit(c) || c == '.' || c == '_' || c == '-') continue;
    return InvalidArgument("{} name '{}' may hold only a-z, 0-9, '.', '_' and '-', not '{}'", kind,
                           name, c);
  }
  return absl::OkStatus();
}

}  // namespace ember::images
