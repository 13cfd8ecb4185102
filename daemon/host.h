#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "base/clocks.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "daemon/agent_dial.h"
#include "daemon/anomaly.h"
#include "daemon/autopilot.h"
#include "daemon/catalog.h"
#include "daemon/disk_keeper.h"
#include "daemon/disk_resize.h"
#include "daemon/event_feed.h"
#include "daemon/exec_session.h"
#include "daemon/forwards.h"
#include "daemon/host_check.h"
#include "daemon/host_repair.h"
#include "daemon/machine_supervisor.h"
#include "daemon/recovery.h"
#include "daemon/snapshots.h"
#include "daemon/storage_pruner.h"
#include "daemon/storage_report.h"
#include "daemon/vm_creator.h"
#include "daemon/vm_forker.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_lifecycle.h"
#include "daemon/vm_settings.h"
#include "daemon/vm_table.h"
#include "daemon/vm_view.h"
#include "daemon/volumes.h"
#include "daemon/waiters.h"
#include "state/store.h"

namespace ember::daemon {

// The one owner of every VM: of the rows, the leases, and what runs. It lives on one sequence, so
// no two decisions are ever taken at the same time; that is what makes a double CID, name or start
// impossible.
//
// Every verb is a task that decides: look up, ask the lifecycle table, commit one transaction that
// records the intent, hand the slow part to that VM's runner. The runner posts exactly one outcome
// back, which is *settled* in a second transaction. What is on disk therefore always explains what
// runs.
//
// Thread-safe: the public calls may come from any thread and never block; each reply is answered
// exactly once, on the host's sequence. A create that is cancelled is rolled back; stop and delete
// go on without their caller; a wait just ends.
class Host {
 public:
  struct Parts {
    std::filesystem::path state_dir;
    std::string host_boot_id;
    std::unique_ptr<state::Store> store;
    BackendMap backends;
    std::unique_ptr<storage::VolumeStore> volumes;
    Catalog& catalog;  // outlives the host
    EventLoop& io;     // outlives the host; it and the catalog end (Stop, Shutdown) before the host
                       // does, because what they run posts to it
    Log log;
    VmLimits limits;
    VmCreator::Defaults defaults = {};
    uint32_t memory_limit_percent = 80;  // of the host's memory, for all guests together
    absl::Duration boot_sign_limit = absl::Seconds(40);
    Clocks clocks = Clocks::Real();
    Autopilot::Periods periods = {};
  };
  enum class DeleteMode { kStoppedOnly, kForce };
  struct Summary {
    std::string installation_id;
    uint32_t vms = 0;
    uint32_t running_vms = 0;
    uint64_t oldest_event = 0;
    uint64_t last_event = 0;
    uint64_t memory_limit_mib = 0;
    uint64_t memory_used_mib = 0;
    std::string subnet;
  };
  // Names of the VMs made from each image (by its id) and booted by each kernel.
  struct Uses {
    std::map<std::string, std::vector<std::string>> of_image;
    std::map<std::string, std::vector<std::string>> of_kernel;
  };

  explicit Host(Parts parts);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  // Waits for the step that each runner is at; machines go on running.
  ~Host();

  // Brings rows and reality together (recovery.h). Call once, before anything else.
  void Recover(Reply<Done> reply);

  void CreateVm(CreateVmSpec spec, Cancellation cancellation, Reply<VmView> reply);
  void StartVm(std::string name, absl::Duration agent_wait, Cancellation cancellation,
               Reply<VmView> reply);
  void StopVm(std::string name, StopPlan plan, Reply<VmView> reply);
  // Stops the VM where it runs and starts it; a crash in between is made up for.
  void RestartVm(std::string name, StopPlan plan, absl::Duration agent_wait,
                 Cancellation cancellation, Reply<VmView> reply);
  void PauseVm(std::string name, Reply<VmView> reply);
  void ResumeVm(std::string name, Reply<VmView> reply);
  // Both only while the VM is off.
  void RenameVm(std::string name, std::string new_name, Reply<VmView> reply);
  void UpdateVm(std::string name, VmUpdate update, Reply<VmView> reply);
  // FailedPrecondition with the list where it has snapshots, unless forced: then they go with it.
  void DeleteVm(std::string name, DeleteMode mode, Reply<Done> reply);
  void GetVm(std::string name, Reply<VmView> reply);
  // By name.
  void ListVms(VmFilter filter, Reply<std::vector<VmView>> reply);
  // Grows the VM's disk (disk_resize.h); also while it runs.
  void ResizeVmDisk(std::string name, uint64_t bytes, Reply<VmView> reply);

  // Data volumes (volumes.h).
  void CreateVolume(state::NewVolume wanted, Reply<state::DataVolume> reply);
  // By name.
  void ListVolumes(Reply<std::vector<state::DataVolume>> reply);
  void DeleteVolume(std::string name, Reply<Done> reply);
  std::filesystem::path PathOfVolume(std::string_view name) const;

  // Forks and snapshots (vm_forker.h, snapshots.h).
  void ForkVm(ForkVmSpec spec, Cancellation cancellation, Reply<ForkedVm> reply);
  void CreateSnapshot(std::string vm_name, std::string name, Cancellation cancellation,
                      Reply<SnapshotView> reply);
  // Of one VM, or with an empty name of all.
  void ListSnapshots(std::string vm_name, Reply<std::vector<SnapshotView>> reply);
  void RestoreSnapshot(std::string vm_name, std::string name, Cancellation cancellation,
                       Reply<VmView> reply);
  void DeleteSnapshot(std::string vm_name, std::string name, Reply<Done> reply);

  // Answers when the condition holds; FailedPrecondition when it can't come true without another
  // verb.
  void WaitVm(std::string name, WaitCondition condition, Cancellation cancellation,
              Reply<VmView> reply);

  // A running VM, for whoever talks to its agent on `io`.
  void Reach(std::string name, Reply<ReachedVm> reply);
  // Starts a command in a running VM; the session lives on `io` from then on.
  void Exec(ExecCommand command, std::shared_ptr<ExecSession::Client> client,
            Reply<std::shared_ptr<ExecSession>> reply);

  // Forwards (forwards.h). Of one VM, or with an empty name of all.
  void AddForward(std::string vm_name, state::Forward forward, Reply<ForwardView> reply);
  void RemoveForward(std::string id, Reply<Done> reply);
  void ListForwards(std::string vm_name, Reply<std::vector<ForwardView>> reply);

  // Up to `limit` events after number `after`, as soon as there is one (event_feed.h).
  void NextEvents(uint64_t after, size_t limit, Cancellation cancellation,
                  Reply<std::vector<state::Event>> reply);

  // What rows and host disagree about (host_check.h); an error: the check could not run.
  void Check(HostCheck::Depth depth, Reply<std::vector<Anomaly>> reply);
  void Repair(HostRepair::Mode mode, Reply<std::vector<daemon::Repair>> reply);

  // Everything that takes disk space, and its files; to be measured (storage_report.h).
  void ListStorage(Reply<std::vector<StorageItem>> reply);
  // Removes what nothing refers to (storage_pruner.h).
  void PruneStorage(PruneMode mode, Reply<std::vector<PrunedItem>> reply);

  void Summarize(Reply<Summary> reply);
  void ListUses(Reply<Uses> reply);
  // FailedPrecondition with the VMs' names while the image or kernel is in use; with kForce these
  // VMs are deleted first. A name is taken from an image that keeps another one in any case.
  void DeleteImage(std::string name, DeleteMode mode, Reply<Done> reply);
  // Deletes images that no VM was made from: those without a name, or all.
  enum class PruneScope { kUnnamed, kAll };
  void PruneImages(PruneScope scope, bool dry_run, Reply<images::Pruned> reply);
  void DeleteKernel(std::string name, Reply<Done> reply);

  // Refuses new verbs from now on and answers once no VM is creating, starting, stopping or
  // deleting.
  void Drain(Reply<Done> reply);

  const std::filesystem::path& state_dir() const { return state_dir_; }
  // How disks are cloned: "reflink", …
  std::string_view volume_store() const { return volumes_->name(); }

 private:
  // Runs the whole check in the background and logs what it finds.
  void LogAnomalies();
  // At the start, before anything is done about the VMs of an earlier daemon.
  void OnVmsKnown();
  void RestoreForwards();
  // Posts `verb` unless the host drains; then the reply is Unavailable.
  template <typename T, typename Verb>
  void Decide(Reply<T> reply, Verb verb);
  // The same with the VM of that name, which is not in the middle of a rename.
  template <typename T, typename Verb>
  void DecideOn(std::string name, Reply<T> reply, Verb verb);
  // Answers with the VM as it is when `outcome` is OK.
  void AnswerView(const std::string& vm_id, const absl::Status& outcome, Reply<VmView>& reply);
  // Waits for the agent of a VM that was started, then answers.
  void AnswerReady(const std::string& vm_id, absl::Duration agent_wait,
                   const Cancellation& cancellation, std::shared_ptr<Reply<VmView>> reply);
  Uses CollectUses();
  // The last part of PruneStorage; answers with what went `before`, too.
  void PruneLeftovers(PruneMode mode, std::vector<PrunedItem> before,
                      Reply<std::vector<PrunedItem>> reply);
  // Notes the images of VMs that were made before such notes were taken.
  void NoteImages();
  // The second half of DeleteImage: nobody uses it.
  void DropImage(const std::string& name, const std::string& id, Reply<Done> reply);
  void DeleteUsers(const std::vector<std::string>& vms, std::function<void(absl::Status)> done);

  const std::filesystem::path state_dir_;
  const std::unique_ptr<state::Store> store_;
  const std::unique_ptr<storage::VolumeStore> volumes_;
  Catalog& catalog_;
  EventLoop& io_;
  BackendMap backends_;
  VmTable vms_ ABSL_GUARDED_BY(sequence_);
  EventFeed feed_ ABSL_GUARDED_BY(sequence_);
  Waiters waiters_ ABSL_GUARDED_BY(sequence_);
  VmLedger ledger_ ABSL_GUARDED_BY(sequence_);
  MachineSupervisor supervisor_ ABSL_GUARDED_BY(sequence_);
  VmLifecycle lifecycle_ ABSL_GUARDED_BY(sequence_);
  VmSettings settings_ ABSL_GUARDED_BY(sequence_);
  Autopilot autopilot_ ABSL_GUARDED_BY(sequence_);
  Forwards forwards_ ABSL_GUARDED_BY(sequence_);
  Volumes data_volumes_ ABSL_GUARDED_BY(sequence_);
  DiskResize resize_ ABSL_GUARDED_BY(sequence_);
  DiskKeeper disks_ ABSL_GUARDED_BY(sequence_);
  VmCreator creator_ ABSL_GUARDED_BY(sequence_);
  VmForker forker_ ABSL_GUARDED_BY(sequence_);
  Snapshots snapshots_ ABSL_GUARDED_BY(sequence_);
  Recovery recovery_ ABSL_GUARDED_BY(sequence_);
  HostCheck check_ ABSL_GUARDED_BY(sequence_);
  HostRepair repair_ ABSL_GUARDED_BY(sequence_);
  StoragePruner pruner_ ABSL_GUARDED_BY(sequence_);
  std::set<std::string> images_going_ ABSL_GUARDED_BY(sequence_);
  bool draining_ ABSL_GUARDED_BY(sequence_) = false;
  Sequence sequence_;
};

}  // namespace ember::daemon
