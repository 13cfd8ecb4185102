#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_lifecycle.h"
#include "daemon/vm_view.h"

namespace ember::daemon {

// `vm create`: row and leases, disk, first start, agent; one promise for all of it. Whatever fails,
// or the caller's cancellation, undoes the rest: no row, lease, file or process of the VM stays.
// Lives on `host`.
class VmCreator {
 public:
  struct Limits {
    uint32_t host_cpus = 1;
    uint64_t host_memory_mib = 0;
    std::string default_backend;
  };

  VmCreator(VmLedger& ledger, VmLifecycle& lifecycle, VmTable& vms, Waiters& waiters,
            EventFeed& feed, Limits limits);

  // The same request id with the same body answers with the VM that it made the first time, as soon
  // as that is as far as asked for. `images_going` names images that are being deleted.
  void Create(CreateVmSpec spec, const std::set<std::string>& images_going,
              Cancellation cancellation, Reply<VmView> reply);

 private:
  // One create under way; shared by its callbacks.
  struct Job {
    std::string vm_id;
    bool start;
    absl::Duration agent_wait;
    Cancellation cancellation;
    Reply<VmView> reply;
  };
  using JobPtr = std::shared_ptr<Job>;

  absl::StatusOr<state::VmConfig> ConfigFor(const CreateVmSpec& spec,
                                            const std::set<std::string>& images_going,
                                            DiskPlan& disk) const;
  absl::Status CheckSizes(const CreateVmSpec& spec, const state::VmConfig& config) const;
  void Begin(const CreateVmSpec& spec, const std::set<std::string>& images_going, JobPtr job);
  void JoinEarlier(Vm& vm, JobPtr job);
  void OnDisk(Vm& vm, absl::StatusOr<std::optional<storage::Volume>> volume, JobPtr job);
  void StartFirst(Vm& vm, JobPtr job);
  // Removes the VM, also when the store can't be written for a while, and answers `why`.
  void Undo(JobPtr job, absl::Status why);
  absl::Status TryUndo(JobPtr job, absl::Status why);
  void Succeed(const JobPtr& job);

  VmLedger& ledger_;
  VmLifecycle& lifecycle_;
  VmTable& vms_;
  Waiters& waiters_;
  EventFeed& feed_;
  const Limits limits_;
};

}  // namespace ember::daemon
