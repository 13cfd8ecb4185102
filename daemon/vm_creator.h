#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

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

  // What the caller is promised and how the answer is waited for, whatever the VM is made from.
  struct Promise {
    std::string request_id;
    std::string digest;
    bool start = true;
    absl::Duration agent_wait;
  };
  // Where a VM comes from: the steps in which a fork differs from a create. `row` and `record` run
  // within a commit and may run again.
  struct Origin {
    std::function<absl::StatusOr<state::NewVm>()> row;
    std::function<void(Vm&, Reply<std::optional<state::DiskRow>>)> make_disk;
    std::function<absl::StatusOr<state::VmRecord>(const std::string& vm_id, const state::DiskRow&,
                                                  const state::Change&)>
        record;
    // Once after a disk was made: whether it was recorded. May be empty.
    std::function<void(const absl::Status&)> recorded;
  };

  VmCreator(VmLedger& ledger, VmLifecycle& lifecycle, Autopilot& autopilot, VmTable& vms,
            Waiters& waiters, EventFeed& feed, VmLimits limits, Defaults defaults);

  // The same request id with the same body answers with the VM that it made the first time, as soon
  // as that is as far as asked for. `images_going` holds the ids of images that are being deleted;
  // it is read later, too.
  void Create(CreateVmSpec spec, const std::set<std::string>& images_going,
              Cancellation cancellation, Reply<VmView> reply);

  // The same for a VM of another origin.
  void CreateFrom(Origin origin, const Promise& promise, Cancellation cancellation,
                  Reply<VmView> reply);

  // Takes the reply and answers true where a VM was made by this request before.
  bool JoinRepeated(const Promise& promise, const Cancellation& cancellation, Reply<VmView>& reply);

 private:
  // One create under way; shared by its callbacks.
  struct Job {
    std::string vm_id;
    bool start;
    absl::Duration agent_wait;
    Cancellation cancellation;
    Reply<VmView> reply;
    Origin origin;
  };
  using JobPtr = std::shared_ptr<Job>;

  absl::StatusOr<state::NewVm> RowFor(const CreateVmSpec& spec,
                                      const std::set<std::string>& images_going,
                                      DiskPlan& disk) const;
  // Fills in the row's config and image, and what its disk is made from.
  absl::Status Plan(const CreateVmSpec& spec, const std::set<std::string>& images_going,
                    state::NewVm& row, DiskPlan& disk) const;
  absl::StatusOr<state::VmConfig> ConfigFor(const CreateVmSpec& spec) const;
  // Of its volumes, those that are not there and are to be made.
  absl::StatusOr<std::vector<state::NewVolume>> NewVolumesOf(const state::VmConfig& config) const;
  absl::Status CheckConfig(const CreateVmSpec& spec, const state::VmConfig& config) const;
  void OnRow(state::CreateResult made, JobPtr job);
  void JoinEarlier(Vm& vm, JobPtr job);
  void OnDisk(Vm& vm, absl::StatusOr<std::optional<state::DiskRow>> disk, JobPtr job);
  absl::StatusOr<state::VmRecord> RecordDisk(const Job& job, const state::DiskRow& disk);
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
