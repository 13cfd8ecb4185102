#include "cli/commands/host_text.h"

#include "base/size.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

std::string GuestMemoryText(const v1::Host& host) {
  if (host.memory_limit_mib() == 0) return "";
  return FormatSize(host.memory_used_mib() * kMiB) + " of " +
         FormatSize(host.memory_limit_mib() * kMiB);
}

}  // namespace

std::string HostText(const v1::Host& host) {
  return KeyValueText({{"version", host.version()},
                       {"pid", std::to_string(host.pid())},
                       {"started", TimeText(host.started_at())},
                       {"socket", host.socket_path()},
                       {"state directory", host.state_dir()},
                       {"installation", host.installation_id()},
                       {"cpus", std::to_string(host.host_cpus())},
                       {"memory", FormatSize(host.host_memory_mib() * kMiB)},
                       {"guest memory", GuestMemoryText(host)},
                       {"subnet", host.subnet()},
                       {"default backend", host.default_backend()},
                       {"default kernel", host.default_kernel()},
                       {"vms", std::to_string(host.vms())},
                       {"running vms", std::to_string(host.running_vms())},
                       {"last event", std::to_string(host.last_event_sequence())}});
}

}  // namespace ember::cli
