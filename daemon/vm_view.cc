#include "daemon/vm_view.h"

#include <fmt/format.h>

namespace ember::daemon {

std::string CreateVmSpec::Digest() const {
  // Each text with its length before it: no content can imitate another request's.
  std::string digest =
      fmt::format("{} {} {} {} {}\n", vcpus, memory_mib, disk_bytes, start, owner_uid);
  const auto add = [&digest](const std::string& text) {
    digest += fmt::format("{}:{}\n", text.size(), text);
  };
  for (const std::string* text : {&name, &image, &kernel, &backend, &init}) add(*text);
  for (const auto& [key, value] : labels) {
    add(key);
    add(value);
  }
  return digest;
}

}  // namespace ember::daemon
