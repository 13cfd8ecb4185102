#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/address_allocator.h"
#include "state/cid_allocator.h"
#include "state/database.h"
#include "state/disk_layer.h"
#include "state/event.h"
#include "state/event_log.h"
#include "state/follow_up.h"
#include "state/forward.h"
#include "state/forward_table.h"
#include "state/installation.h"
#include "state/layer_table.h"
#include "state/port_allocator.h"
#include "state/port_lease.h"
#include "state/row_check.h"
#include "state/snapshot.h"
#include "state/snapshot_table.h"
#include "state/subnet.h"
#include "state/vm_record.h"
#include "state/vm_table.h"
#include "state/volume.h"
#include "state/volume_table.h"
#include "state/writer.h"

namespace ember::state {

// How many events are kept; older ones go as new ones come.
inline constexpr uint64_t kEventsKept = 10'000;

// A new state together with the event that tells of it.
struct Change {
  VmState state;
  std::string message;  // of the event; when `state` is kFailed also the record's state_reason,
                        // which every other state clears
  std::string kind;     // of the event; empty: the state's name
  std::optional<FollowUp> follow_up = std::nullopt;  // absent: stays as it is
};

// Why a VM is started.
enum class StartCause {
  kAsked,   // by somebody, also through restart and autostart; restarts is 0 again
  kPolicy,  // by its restart policy; restarts grows by one
};

struct StoreOptions {
  std::optional<Subnet> subnet;  // where address blocks are leased from; absent: as it is, at first
                                 // Subnet::Default()
};

// What CreateVm found or made.
struct CreateResult {
  enum class Kind {
    kMade,   // a new row, its CID and its event; the caller goes on with the disk
    kFound,  // the VM that an earlier request with the same id and body made, as it is now
  };
  Kind kind;
  VmRecord vm;
};

// Everything the daemon must not forget: VMs, leases, machines, events, in <state-dir>/state.db.
// Every call is exactly one transaction, on disk when it returns OK (but see BeginBatch) and
// without any effect otherwise. A call that changes a VM answers with its record as it is now.
//
// The store checks what constraints can check; whether a change of state is allowed is for
// lifecycle.h and decided by the caller before it calls.
//
// Errors, beside those of database.h: a VM that is not there is NotFound (reason VM_NOT_FOUND). A
// full disk is ResourceExhausted, a read-only one PermissionDenied: nothing was changed, and the
// call may be repeated.
//
// Lives on `host`: not thread-safe, and every writing call waits for the disk.
class Store {
 public:
  // Opens or makes `state_dir`/state.db (mode 0600; the directory is there and locked by the
  // caller). An older one is brought up to date, with a copy of it kept (migrations.h). A damaged,
  // foreign or newer database is refused with the path and a way out in the error, and stays as it
  // is. Another subnet than it has, while a block is leased: FailedPrecondition (reason
  // SUBNET_MISMATCH).
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::filesystem::path& state_dir,
                                                     const StoreOptions& options = {});
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // UUID of this state directory, made at its first open and never changed; tags every process.
  const std::string& installation_id() const { return installation_.id; }
  // Where address blocks are leased from.
  const Subnet& subnet() const { return installation_.subnet; }

  // --- Batches: several calls, one wait for the disk. ---

  // From now on calls are parts of one transaction. Each works as before, sees what those before it
  // did, and if it fails undoes only itself; but it is on disk, and its event can be read and
  // counts for LastSequence, only after CommitBatch: nobody may be answered sooner. Batches do not
  // nest. A store that is destroyed in a batch drops it.
  absl::Status BeginBatch() { return writer_.BeginBatch(); }
  // Ends the batch. After a failure nothing of it is stored, as if no call of it had been made, and
  // the store goes on. A failure in the middle can undo a batch too (the disk was full before its
  // end): then every later call of it and its commit are Aborted (reason BATCH_UNDONE).
  absl::Status CommitBatch() { return writer_.CommitBatch(); }
  bool in_batch() const { return writer_.in_batch(); }

  // --- VMs. ---

  // Makes a VM in state creating with the lowest free CID, the lowest free address block and the
  // event "creating". The name has been validated (vm_name.h). ResourceExhausted when no number is
  // left (reasons NO_FREE_CID, NO_FREE_BLOCK).
  //
  // A name that is taken, also as the directory of a VM that is being renamed: AlreadyExists
  // (reason VM_EXISTS), "vm 'x' already exists", "vm 'x' is being renamed to 'y'". With a request
  // id that some VM was made with: the same digest answers that VM, whatever its state and name
  // (kFound, nothing is changed); another digest is AlreadyExists (reason REQUEST_ID_REUSED). A
  // deleted VM's request id is forgotten with it.
  //
  // Attaches its volumes, and makes those of `new_volumes` in state creating. NotFound (reason
  // VOLUME_NOT_FOUND), FailedPrecondition (reason VOLUME_IN_USE), AlreadyExists (reason
  // VOLUME_EXISTS).
  absl::StatusOr<CreateResult> CreateVm(const NewVm& vm);

  // The VM that was made with this request id, if it is still there.
  absl::StatusOr<std::optional<VmRecord>> FindByRequestId(std::string_view request_id);

  absl::StatusOr<VmRecord> GetVm(std::string_view name);
  absl::StatusOr<VmRecord> GetVmById(std::string_view vm_id);
  // All VMs by name.
  absl::StatusOr<std::vector<VmRecord>> ListVms();

  absl::StatusOr<VmRecord> SetState(std::string_view vm_id, const Change& change);

  // Records the VM's disk together with the end of creating.
  absl::StatusOr<VmRecord> SetDisk(std::string_view vm_id, const DiskRow& disk,
                                   const Change& change);

  // Removes the VM's row with its leases, its machine row and its request id; its events stay, and
  // "deleted" is the last of them. The caller knows that no process of it is left.
  // FailedPrecondition unless the VM is in state deleting.
  absl::Status DeleteVm(std::string_view vm_id, std::string_view message);

  // Replaces what may change while a VM is off: vcpus, memory_mib, kernel, boot_args, labels,
  // restart_policy, autostart. The event "updated" says what differs; without a difference there is
  // no event.
  absl::StatusOr<VmRecord> UpdateConfig(std::string_view vm_id, const VmConfig& config);

  // --- Disks that share layers (docs/storage.md). ---

  // Records the disk of a fork together with the end of creating, and what its source's disk has
  // become where it was split: all of it or nothing. The source has the event "forked".
  absl::StatusOr<ForkRecords> RecordFork(std::string_view vm_id, const DiskRow& disk,
                                         const Change& change, std::string_view source_id,
                                         const std::optional<DiskSplit>& split);
  // Records a split alone: a fork or a snapshot that came no further. No event.
  absl::StatusOr<VmRecord> RecordSplit(std::string_view vm_id, const DiskSplit& split);
  // The VM has another disk in the place of the one it had. An empty `kind` is no event.
  absl::StatusOr<VmRecord> ReplaceDisk(std::string_view vm_id, const DiskRow& disk,
                                       std::string_view kind, std::string_view message);
  absl::StatusOr<DiskLayer> GetLayer(std::string_view layer_id) { return layers_.Get(layer_id); }
  absl::StatusOr<std::vector<DiskLayer>> ListLayers() { return layers_.List(); }
  // Forgets the layers that nothing lies over any more, and answers them; their files are the
  // caller's to remove. No transaction where there is none.
  absl::StatusOr<std::vector<DiskLayer>> DropUnusedLayers();

  // The size of the VM's root disk as the guest is to see it, with the event "disk-resized" where
  // it differs.
  absl::StatusOr<VmRecord> SetDiskSize(std::string_view vm_id, uint64_t bytes);

  // --- Data volumes. A volume is in one VM at a time, and no VM takes it with it; but those that
  // CreateVm made stay in state creating until FinishVolumesOf, and go with the VM until then. ---

  // Records the intent to make a volume, in state creating. The name has been validated;
  // AlreadyExists (reason VOLUME_EXISTS).
  absl::StatusOr<DataVolume> BeginVolume(const NewVolume& wanted);
  absl::StatusOr<DataVolume> FinishVolume(std::string_view name);
  absl::StatusOr<VmRecord> FinishVolumesOf(std::string_view vm_id);
  // Records that its file goes. NotFound (reason VOLUME_NOT_FOUND); FailedPrecondition (reason
  // VOLUME_IN_USE) while it is attached to a VM.
  absl::Status BeginVolumeRemoval(std::string_view name);
  // Removes the row: no file of it is left.
  absl::Status RemoveVolume(std::string_view name);
  absl::StatusOr<DataVolume> GetVolume(std::string_view name) { return volumes_.Get(name); }
  // By name, in any state.
  absl::StatusOr<std::vector<DataVolume>> ListVolumes() { return volumes_.List(); }

  // --- Snapshots. They go with their VM. ---

  // Records the intent, in state creating. The name has been validated; AlreadyExists (reason
  // SNAPSHOT_EXISTS) where the VM has one of this name.
  absl::StatusOr<Snapshot> BeginSnapshot(const Snapshot& wanted);
  // Its content is there: `content` says where, `split` what the VM's disk has become. The VM has
  // the event "snapshot-created".
  absl::StatusOr<SnapshotRecords> FinishSnapshot(std::string_view snapshot_id,
                                                 const SnapshotContent& content,
                                                 const std::optional<DiskSplit>& split);
  // Records that it is being removed. Done already is OK.
  absl::Status BeginSnapshotRemoval(std::string_view snapshot_id);
  // Its content could not be removed: it is there as before.
  absl::Status UndoSnapshotRemoval(const Snapshot& snapshot);
  // Removes the row, with the event "snapshot-deleted" unless it never was ready.
  absl::Status RemoveSnapshot(std::string_view snapshot_id);
  // NotFound (reason SNAPSHOT_NOT_FOUND), also for one that is not ready.
  absl::StatusOr<Snapshot> GetSnapshot(const VmRecord& vm, std::string_view name) {
    return snapshots_.Get(vm, name);
  }
  // Of one VM, or with an empty id of all; oldest first, in any state.
  absl::StatusOr<std::vector<Snapshot>> ListSnapshots(std::string_view vm_id = "") {
    return snapshots_.List(vm_id);
  }
  // Notes the image of a VM whose row has none. No event.
  absl::StatusOr<VmRecord> NoteImage(std::string_view vm_id, const VmImageRow& image);

  // --- Renames. Name first, directory then: what lies in between is seen by dir_name. ---

  // Gives the VM a new name (validated), with the event "renamed"; its directory is still that of
  // the old one, and nobody else gets either. AlreadyExists as for CreateVm. FailedPrecondition
  // (reason WRONG_STATE) while it is being renamed already.
  absl::StatusOr<VmRecord> BeginRename(std::string_view vm_id, std::string_view new_name);

  // The directory has the new name too, and the disk lies in it. No event. FailedPrecondition
  // unless a rename is under way; so for UndoRename.
  absl::StatusOr<VmRecord> FinishRename(std::string_view vm_id, const DiskRow& disk);

  // The directory could not be moved: the VM has its old name again, with the event
  // "rename-undone".
  absl::StatusOr<VmRecord> UndoRename(std::string_view vm_id, std::string_view message);

  // --- Machines. A machine row says: processes with this machine_id may exist. ---

  // Records the intent to launch (process.pid 0) together with the new state; boot_retries is 0
  // again. FailedPrecondition when the VM has a machine row: its processes must be gone and it must
  // be cleared first.
  absl::StatusOr<VmRecord> BeginStart(std::string_view vm_id, const MachineRow& intent,
                                      const Change& change, StartCause cause = StartCause::kAsked);

  // Replaces the machine row of a boot that hangs, and whose processes are gone, by the intent to
  // launch once more; boot_retries grows by one.
  absl::StatusOr<VmRecord> BeginBootRetry(std::string_view vm_id, const MachineRow& intent,
                                          const Change& change);

  // Completes the intent with the processes that run now; started_at is now. FailedPrecondition
  // unless the VM has a machine row with the same machine_id.
  absl::StatusOr<VmRecord> RecordMachine(std::string_view vm_id, const MachineRow& machine,
                                         const Change& change);

  // Drops the machine row: no process of it is left. OK when there is none.
  absl::StatusOr<VmRecord> ClearMachine(std::string_view vm_id, const Change& change);

  // --- Ports of the host, for whoever leads them to a VM. ---

  // As PortAllocator::Lease, with the event "port-leased" of the VM.
  absl::StatusOr<PortLease> LeasePort(const PortLease& wanted, PortRange any = {});
  // As PortAllocator::Release, with the event "port-released" of the VM.
  absl::Status ReleasePort(PortProtocol protocol, std::string_view host_address,
                           uint16_t host_port);
  // By protocol, port and address.
  absl::StatusOr<std::vector<PortLease>> ListPorts() { return ports_.List(); }

  // --- Forwards. ---

  // Records a forward under a new id, with the event "forward-added". The host's port, where it
  // listens, is leased with it: port 0 is the lowest free one of `any`; answers the forward with
  // the port that it got. Errors as for LeasePort; a path that another forward listens at, and a
  // guest's address that the VM listens at already: AlreadyExists (reason FORWARD_EXISTS).
  absl::StatusOr<Forward> AddForward(const Forward& wanted, PortRange any = {});
  // Releases its port too, with the event "forward-removed". NotFound (reason FORWARD_NOT_FOUND).
  absl::StatusOr<Forward> RemoveForward(std::string_view id);
  // Of one VM, or of all; oldest first.
  absl::StatusOr<std::vector<Forward>> ListForwards(std::string_view vm_id = "") {
    return forwards_.List(vm_id);
  }

  // --- Check and repair. ---

  // What the rows say against each other. Changes nothing.
  absl::StatusOr<std::vector<RowAnomaly>> CheckRows();

  // Leases the VM a CID and an address block where it has lost them, or has a block that makes no
  // sense; the event "leases-repaired" says which. Nothing is changed where nothing is missing.
  absl::StatusOr<VmRecord> RepairLease(std::string_view vm_id);

  // --- Events. ---

  // Stores an event that changes nothing, e.g. "agent-ready".
  absl::Status AppendEvent(std::string_view vm_id, std::string_view kind, std::string_view message);

  // Up to `limit` events after `sequence`, in order; none when `sequence` is the last one.
  // OutOfRange (reason EVENTS_PRUNED) when the next one is no longer kept, and OutOfRange (reason
  // EVENTS_UNKNOWN) for a number that was never given out.
  absl::StatusOr<std::vector<Event>> EventsAfter(uint64_t sequence, size_t limit);

  // The number of the newest event, 0 before the first one. No transaction: kept in memory.
  uint64_t LastSequence() const { return events_.last(); }
  // The number of the oldest event that is kept; LastSequence() + 1 when none is. The same.
  uint64_t OldestSequence() const { return events_.oldest(); }

 private:
  // The event of a call, without what the record says.
  struct Note {
    std::string kind;
    std::string message;
  };
  // What one call changes, within its write; its event, if it has one.
  using Edit = absl::FunctionRef<absl::StatusOr<std::optional<Note>>(const VmRecord& before)>;
  // What one call changes beside the state, within its write.
  using Work = absl::FunctionRef<absl::Status(const VmRecord& before)>;

  Store(std::unique_ptr<Database> database, Installation installation, EventLog events);
  absl::StatusOr<VmRecord> Require(std::string_view vm_id);
  absl::Status CheckNameFree(std::string_view name);
  // Makes the disk of a VM a layer, within the caller's write.
  absl::Status Split(const VmRecord& before, const DiskSplit& split);
  absl::Status AttachVolumes(std::string_view vm_id, const NewVm& vm);
  absl::StatusOr<VmRecord> Amend(std::string_view vm_id, Edit edit);
  absl::StatusOr<VmRecord> Apply(std::string_view vm_id, const Change& change, Work work);

  std::unique_ptr<Database> database_;
  Installation installation_;
  EventLog events_;
  VmTable vms_;
  CidAllocator cids_;
  AddressAllocator blocks_;
  PortAllocator ports_;
  ForwardTable forwards_;
  LayerTable layers_;
  SnapshotTable snapshots_;
  VolumeTable volumes_;
  Writer writer_;
};

}  // namespace ember::state
