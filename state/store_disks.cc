// The store's calls about what disks lie over: layers, forks, snapshots.
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/store.h"
#include "state/timestamp.h"

namespace ember::state {

// The layer is what the disk was until now: it lies over what the disk lay over.
absl::Status Store::Split(const VmRecord& before, const DiskSplit& split) {
  RETURN_IF_ERROR(layers_
                      .Insert(split.layer_id, before.disk.format, before.disk.layer_id,
                              before.config.disk_bytes)
                      .status());
  DiskRow top = split.top;
  top.layer_id = split.layer_id;
  return vms_.SetDisk(before.id, top);
}

absl::StatusOr<ForkRecords> Store::RecordFork(std::string_view vm_id, const DiskRow& disk,
                                              const Change& change, std::string_view source_id,
                                              const std::optional<DiskSplit>& split) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const VmRecord fork, Require(vm_id));
  const auto edit = [&](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    if (split.has_value()) RETURN_IF_ERROR(Split(before, *split));
    return Note{.kind = "forked", .message = fmt::format("to {}", fork.name)};
  };
  ForkRecords records;
  ASSIGN_OR_RETURN(records.source, Amend(source_id, edit));
  ASSIGN_OR_RETURN(records.vm, SetDisk(vm_id, disk, change));
  RETURN_IF_ERROR(write.Commit());
  return records;
}

absl::StatusOr<VmRecord> Store::RecordSplit(std::string_view vm_id, const DiskSplit& split) {
  return Amend(vm_id,
               [this, &split](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
                 RETURN_IF_ERROR(Split(before, split));
                 return std::nullopt;
               });
}

absl::StatusOr<VmRecord> Store::ReplaceDisk(std::string_view vm_id, const DiskRow& disk,
                                            std::string_view kind, std::string_view message) {
  return Amend(vm_id, [&](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    RETURN_IF_ERROR(vms_.SetDisk(before.id, disk));
    if (kind.empty()) return std::nullopt;
    return Note{.kind = std::string(kind), .message = std::string(message)};
  });
}

absl::StatusOr<std::vector<DiskLayer>> Store::DropUnusedLayers() {
  ASSIGN_OR_RETURN(const bool any, layers_.AnyUnused());
  if (!any) return std::vector<DiskLayer>();
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(std::vector<DiskLayer> dropped, layers_.RemoveUnused());
  RETURN_IF_ERROR(write.Commit());
  return dropped;
}

absl::StatusOr<Snapshot> Store::BeginSnapshot(const Snapshot& wanted) {
  Snapshot snapshot = wanted;
  ASSIGN_OR_RETURN(snapshot.id, TimeOrderedUuid());
  snapshot.state = SnapshotState::kCreating;
  snapshot.created_at = FromMicros(NowMicros());
  const auto edit = [&](const VmRecord& vm) -> absl::StatusOr<std::optional<Note>> {
    RETURN_IF_ERROR(snapshots_.Insert(vm, snapshot));
    return std::nullopt;
  };
  RETURN_IF_ERROR(Amend(wanted.vm_id, edit).status());
  return snapshot;
}

absl::StatusOr<SnapshotRecords> Store::FinishSnapshot(std::string_view snapshot_id,
                                                      const SnapshotContent& content,
                                                      const std::optional<DiskSplit>& split) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const Snapshot begun, snapshots_.GetById(snapshot_id));
  const auto edit = [&](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    if (split.has_value()) RETURN_IF_ERROR(Split(before, *split));
    RETURN_IF_ERROR(snapshots_.SetReady(snapshot_id, content));
    return Note{.kind = "snapshot-created", .message = begun.name};
  };
  SnapshotRecords records;
  ASSIGN_OR_RETURN(records.vm, Amend(begun.vm_id, edit));
  ASSIGN_OR_RETURN(records.snapshot, snapshots_.GetById(snapshot_id));
  RETURN_IF_ERROR(write.Commit());
  return records;
}

absl::Status Store::BeginSnapshotRemoval(std::string_view snapshot_id) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  RETURN_IF_ERROR(snapshots_.SetDeleting(snapshot_id));
  return write.Commit();
}

absl::Status Store::UndoSnapshotRemoval(const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  RETURN_IF_ERROR(snapshots_.SetReady(snapshot.id, {snapshot.file_name, snapshot.layer_id}));
  return write.Commit();
}

absl::Status Store::RemoveSnapshot(std::string_view snapshot_id) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const Snapshot snapshot, snapshots_.GetById(snapshot_id));
  const auto edit = [&](const VmRecord&) -> absl::StatusOr<std::optional<Note>> {
    RETURN_IF_ERROR(snapshots_.Delete(snapshot_id));
    if (snapshot.state == SnapshotState::kCreating) return std::nullopt;
    return Note{.kind = "snapshot-deleted", .message = snapshot.name};
  };
  RETURN_IF_ERROR(Amend(snapshot.vm_id, edit).status());
  return write.Commit();
}

}  // namespace ember::state
