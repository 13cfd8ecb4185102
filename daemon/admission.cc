#include "daemon/admission.h"

#include <string>

#include "base/status.h"

namespace ember::daemon {

// What a machine of this VM takes of the host; nothing where the backend does not give guests
// memory of their own.
uint64_t Admission::MemoryOf(const Vm& vm) const {
  const auto backend = ledger_.FindBackend(vm.record.config.backend);
  const bool reserves = !backend.ok() || (*backend)->capabilities().reserves_memory;
  return reserves ? vm.record.config.memory_mib : 0;
}

uint64_t Admission::UsedMib() const {
  uint64_t used = 0;
  vms_.ForEach([&](const Vm& vm) { used += vm.record.machine.has_value() ? MemoryOf(vm) : 0; });
  return used;
}

absl::Status Admission::Check(const Vm& vm) const {
  const uint64_t wanted = MemoryOf(vm);
  const uint64_t used = UsedMib();
  if (wanted == 0 || used + wanted <= limit_.mib()) return absl::OkStatus();
  const uint64_t left = limit_.mib() - std::min(used, limit_.mib());
  return WithHint(
      WithReason(ResourceExhausted("vm '{}': its {} MiB of memory do not fit: running VMs have {} "
                                   "MiB of the {} MiB that they may have ({} % of this host's {} "
                                   "MiB), {} MiB are left",
                                   vm.record.name, wanted, used, limit_.mib(), limit_.percent,
                                   limit_.host_mib, left),
                 "MEMORY_LIMIT"),
      "stop a VM ('ember vm list --filter status=running'), give this one less memory, or raise "
      "memory_limit_percent in the daemon's configuration");
}

}  // namespace ember::daemon
