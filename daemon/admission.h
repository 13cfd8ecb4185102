#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// Keeps the guest memory of all machines together under a share of the host's, so that a start
// that would make the host swap or kill is refused before it begins. Lives on `host`.
class Admission {
 public:
  struct Limit {
    uint64_t host_mib = 0;
    uint32_t percent = 80;  // of host_mib; 1 to 100

    uint64_t mib() const { return host_mib * percent / 100; }
  };

  Admission(const VmLedger& ledger, VmTable& vms, Limit limit)
      : ledger_(ledger), vms_(vms), limit_(limit) {}

  // ResourceExhausted (reason MEMORY_LIMIT) with the numbers unless a machine for `vm` fits beside
  // those that there are or are being launched.
  absl::Status Check(const Vm& vm) const;

  // What all machines have now.
  uint64_t UsedMib() const;
  const Limit& limit() const { return limit_; }

 private:
  uint64_t MemoryOf(const Vm& vm) const;

  const VmLedger& ledger_;
  VmTable& vms_;
  const Limit limit_;
};

}  // namespace ember::daemon
