#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"
#include "daemon/vm_view.h"

namespace ember::daemon {

// What VMs may ask for on this host.
struct VmLimits {
  uint32_t host_cpus = 1;
  uint64_t host_memory_mib = 0;
};

// OK when a VM of this size can exist here at all. InvalidArgument or ResourceExhausted with the
// number that does not fit and one that does.
absl::Status CheckVmSize(std::string_view name, uint32_t vcpus, uint64_t memory_mib,
                         const VmLimits& limits);

// OK for at most 1,024 bytes of printable ASCII: they become a part of one line.
absl::Status CheckBootArgs(std::string_view name, std::string_view boot_args);

// OK for keys of 1 to 63 and values of at most 255 bytes, without control characters; a key holds
// no
// '=' or ','.
absl::Status CheckLabels(std::string_view name, const std::map<std::string, std::string>& labels);

// Changes what a VM is called and what it is made of, while it is off. Lives on `host`.
class VmSettings {
 public:
  using Done = std::function<void(absl::Status)>;

  VmSettings(VmLedger& ledger, VmTable& vms, EventFeed& feed, VmLimits limits)
      : ledger_(ledger), vms_(vms), feed_(feed), limits_(limits) {}

  // The row takes the new name first (and keeps the old one from others), then the directory moves;
  // if it can't, the row takes the old name again. Begins once nobody changes its disk.
  void Rename(Vm& vm, const std::string& new_name, Done renamed);

  // The second half of a rename that an earlier daemon began.
  void FinishRename(Vm& vm, Done renamed);

  // InvalidArgument (reason NOTHING_TO_CHANGE) where the update holds nothing.
  absl::Status Update(Vm& vm, const VmUpdate& update);

 private:
  void RenameNow(Vm& vm, const std::string& new_name, Done renamed);
  void OnMoved(Vm& vm, const absl::Status& moved, const Done& renamed);
  absl::StatusOr<state::VmConfig> Apply(const Vm& vm, const VmUpdate& update) const;

  VmLedger& ledger_;
  VmTable& vms_;
  EventFeed& feed_;
  const VmLimits limits_;
};

}  // namespace ember::daemon
