#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "daemon/disk_fork.h"
#include "daemon/disk_keeper.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"
#include "state/snapshot.h"

namespace ember::daemon {

// A snapshot as it is shown to callers.
struct SnapshotView {
  std::string vm_name;
  state::Snapshot snapshot;
  std::optional<absl::Duration> frozen;  // how long its VM stood still for it; absent: not at all
};

// `snapshot create|list|restore|delete`: a VM's disk as it was. Made like a fork, without a VM; it
// goes with the VM. A restore gives the VM a clone of it in the place of what it has, so that it
// may be restored again. Lives on `host`.
class Snapshots {
 public:
  Snapshots(VmLedger& ledger, DiskKeeper& keeper, VmTable& vms)
      : ledger_(ledger), keeper_(keeper), vms_(vms) {}

  // An empty name is made from the time. Whatever fails, the disk is as it was.
  void Create(Vm& vm, std::string name, Cancellation cancellation, Reply<SnapshotView> reply);
  // Of one VM, or of all (null); oldest first.
  absl::StatusOr<std::vector<SnapshotView>> List(const Vm* vm);
  void Restore(Vm& vm, std::string name, Cancellation cancellation,
               std::function<void(absl::Status)> restored);
  void Delete(Vm& vm, std::string name, std::function<void(absl::Status)> deleted);

  // OK where the VM has none; else FailedPrecondition (reason IN_USE) with the list of them.
  absl::Status CheckNone(const Vm& vm);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;
  struct Restoring;

  absl::Status Begin(Vm& vm, const JobPtr& job);
  void OnMade(Vm& vm, absl::StatusOr<DiskFork> fork, const JobPtr& job);
  void GiveUp(const JobPtr& job, const absl::Status& why);
  absl::StatusOr<std::shared_ptr<Restoring>> PlanRestore(const Vm& vm, const std::string& name);
  absl::Status OnRestored(Vm& vm, const absl::StatusOr<state::DiskRow>& disk,
                          const std::string& name);
  void Remove(Vm& vm, const state::Snapshot& snapshot, DiskTurns::Turn turn,
              std::function<void(absl::Status)> deleted);

  VmLedger& ledger_;
  DiskKeeper& keeper_;
  VmTable& vms_;
};

}  // namespace ember::daemon
