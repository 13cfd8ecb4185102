#include "base/tree/entry_name.h"

#include <algorithm>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/entry.h"

namespace ember::tree {

absl::StatusOr<std::vector<std::string_view>> SplitName(std::string_view name) {
  if (name.empty()) return InvalidArgument("an entry without a name");
  if (name.size() > kMaxName) {
    return InvalidArgument("{}…: the name is longer than {} bytes", name.substr(0, 64), kMaxName);
  }
  if (name.find('\0') != std::string_view::npos) return InvalidArgument("a name with a NUL in it");
  if (name.starts_with('/')) return PermissionDenied("{}: an entry with an absolute name", name);
  std::vector<std::string_view> components;
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), component.size() + 1));
    if (component.empty() || component == ".") continue;
    if (component == "..") return PermissionDenied("{}: the name leads out of its folder", name);
    components.push_back(component);
  }
  if (components.size() > kMaxDepth) {
    return InvalidArgument("{}…: folders nested deeper than {}", name.substr(0, 64), kMaxDepth);
  }
  return components;
}

absl::Status CheckComponent(std::string_view name) {
  ASSIGN_OR_RETURN(const auto components, SplitName(name));
  if (components.size() != 1 || components[0] != name) {
    return InvalidArgument("'{}' is no name of a file", name);
  }
  return absl::OkStatus();
}

}  // namespace ember::tree
