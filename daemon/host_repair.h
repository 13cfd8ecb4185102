#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/reply.h"
#include "daemon/anomaly.h"
#include "daemon/host_check.h"
#include "daemon/machine_supervisor.h"
#include "daemon/recovery.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// Puts right what HostCheck found and what is safe to: ends processes and removes directories that
// carry this installation's mark and belong to no row, settles VMs whose process is gone, opens
// bridges again, leases again what was lost. Never touches a disk. Lives on `host`.
class HostRepair {
 public:
  enum class Mode { kRepair, kDryRun };

  HostRepair(HostCheck& check, VmLedger& ledger, VmTable& vms, MachineSupervisor& supervisor,
             Recovery& recovery)
      : check_(check), ledger_(ledger), vms_(vms), supervisor_(supervisor), recovery_(recovery) {}

  // Answers with every anomaly and what was done about it, or would be.
  void Run(Mode mode, Reply<std::vector<Repair>> reply);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;

  void RepairApart(JobPtr job);
  void RepairOnHost(const JobPtr& job);
  absl::Status RepairVm(Vm& vm, const Anomaly& anomaly);

  HostCheck& check_;
  VmLedger& ledger_;
  VmTable& vms_;
  MachineSupervisor& supervisor_;
  Recovery& recovery_;
};

}  // namespace ember::daemon
