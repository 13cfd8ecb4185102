#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/reply.h"
#include "base/size.h"
#include "daemon/autopilot.h"
#include "daemon/commit_group.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_lifecycle.h"
#include "daemon/vm_settings.h"
#include "daemon/vm_view.h"

namespace ember::daemon {

// `vm create`: row and leases, disk, first start, agent; one promise for all of it. Whatever fails,
// or the caller's cancellation, undoes the rest: no row, lease, file or process of the VM stays.
// Lives on `host`.
class VmCreator {
 public:
  // What a request that leaves it open gets.
  struct Defaults {
    std::string backend = "qemu";
    uint32_t vcpus = 1;
    uint32_t memory_mib = 512;
    uint64_t disk_bytes = 8 * kGiB;
  };

  VmCreator(VmLedger& ledger, VmLifecycle& lifecycle, Autopilot& autopilot, VmTable& vms,
            Waiters& waiters, EventFeed& feed, VmLimits limits, Defaults defaults);

  // The same request id with the same body answers with the VM that it made the first time, as soon
  // as that is as far as asked for. `images_going` names images that are being deleted; it is read
  // later, too.
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

  // What a create commits: its row, and the disk that is to be made for it.
  struct Made {
    state::CreateResult result;
    DiskPlan disk;
  };

  absl::StatusOr<Made> MakeRow(const CreateVmSpec& spec, const std::set<std::string>& images_going);
  absl::StatusOr<state::VmConfig> ConfigFor(const CreateVmSpec& spec,
                                            const std::set<std::string>& images_going,
                                            DiskPlan& disk) const;
  absl::Status CheckConfig(const CreateVmSpec& spec, const state::VmConfig& config) const;
  void OnRow(Made made, JobPtr job);
  void JoinEarlier(Vm& vm, JobPtr job);
  void OnDisk(Vm& vm, absl::StatusOr<std::optional<storage::Volume>> volume, JobPtr job);
  absl::StatusOr<state::VmRecord> RecordDisk(const std::string& vm_id, const state::DiskRow& disk,
                                             bool start);
  void OnDiskRecorded(state::VmRecord record, JobPtr job);
  void StartFirst(Vm& vm, JobPtr job);
  // Removes the VM, also when the store can't be written for a while, and answers `why`.
  void Undo(JobPtr job, absl::Status why);
  absl::Status TryUndo(JobPtr job, absl::Status why);
  void Succeed(const JobPtr& job);

  VmLedger& ledger_;
  VmLifecycle& lifecycle_;
  Autopilot& autopilot_;
  VmTable& vms_;
  Waiters& waiters_;
  EventFeed& feed_;
  CommitGroup commits_;
  const VmLimits limits_;
  const Defaults defaults_;
};

}  // namespace ember::daemon
