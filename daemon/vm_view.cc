#include "daemon/vm_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember::daemon {

std::string CreateVmSpec::Digest() const {
  // Each text with its length before it: no content can imitate another request's.
  std::string digest = fmt::format(
      "{} {} {} {} {} {} {} {} {} {}\n", vcpus, memory_mib, disk_bytes, start, owner_uid, autostart,
      remove_when_stopped, state::RestartPolicyName(restart_policy),
      ttl.has_value() ? absl::ToInt64Seconds(*ttl) : 0, run_entrypoint);
  const auto add = [&digest](const std::string& text) {
    digest += fmt::format("{}:{}\n", text.size(), text);
  };
  for (const std::string* text : {&name, &image, &kernel, &backend, &init, &boot_args}) add(*text);
  for (const auto& [key, value] : labels) {
    add(key);
    add(value);
  }
  for (const state::VolumeAttachment& volume : volumes) {
    add(volume.volume);
    add(volume.mount_path);
    digest += fmt::format("{} {}\n", volume.read_only, volume.size_bytes);
  }
  return digest;
}

bool VmFilter::Matches(const state::VmRecord& vm) const {
  const bool in_state =
      states.empty() || std::find(states.begin(), states.end(), vm.state) != states.end();
  return in_state && std::all_of(labels.begin(), labels.end(), [&vm](const auto& label) {
           const auto found = vm.config.labels.find(label.first);
           return found != vm.config.labels.end() &&
                  (label.second.empty() || label.second == found->second);
         });
}

}  // namespace ember::daemon
