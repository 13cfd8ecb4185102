#include "backends/images/entry_path.h"

#include <algorithm>

#include "base/status.h"

namespace ember::images {
namespace {

constexpr size_t kMaxComponent = 255;
constexpr size_t kMaxPath = 4095;

}  // namespace

absl::StatusOr<std::string> NormalizePath(std::string_view raw) {
  if (raw.size() > kMaxPath) {
    return InvalidArgument("entry '{}…' has a path of {} bytes; at most {} are possible",
                           raw.substr(0, 60), raw.size(), kMaxPath);
  }
  std::string path;
  for (size_t start = 0; start < raw.size();) {
    const size_t end = std::min(raw.find('/', start), raw.size());
    const std::string_view component = raw.substr(start, end - start);
    start = end + 1;
    if (component.empty() || component == ".") continue;
    if (component == "..") return InvalidArgument("entry '{}' has '..' in its path", raw);
    if (component.size() > kMaxComponent) {
      return InvalidArgument("entry '{}' has a name of {} bytes; at most {} are possible", raw,
                             component.size(), kMaxComponent);
    }
    if (!path.empty()) path.push_back('/');
    path.append(component);
  }
  return path;
}

}  // namespace ember::images
