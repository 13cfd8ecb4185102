#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/reply.h"
#include "daemon/host_check.h"
#include "daemon/vm_ledger.h"

namespace ember::daemon {

// Something that a prune has removed, or would.
struct PrunedItem {
  std::string kind;  // "image", "blob", "leftover"
  std::string name;
  uint64_t bytes = 0;  // that became free; 0 where that is not known

  friend bool operator==(const PrunedItem&, const PrunedItem&) = default;
};

enum class PruneMode { kRemove, kDryRun };

// Removes directories of VMs that no row knows: what an interrupted or failed delete has left.
// Layers need no prune, since each change of a disk drops those that it was the last to need;
// images are Host::PruneImages'. Lives on `host`.
class StoragePruner {
 public:
  StoragePruner(HostCheck& check, VmLedger& ledger) : check_(check), ledger_(ledger) {}

  // An error: something could not be removed; what was removed before it is gone.
  void Run(PruneMode mode, Reply<std::vector<PrunedItem>> reply);

 private:
  HostCheck& check_;
  VmLedger& ledger_;
};

}  // namespace ember::daemon
