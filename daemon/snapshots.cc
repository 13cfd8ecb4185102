#include "daemon/snapshots.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/fault_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/host_decisions.h"
#include "state/vm_name.h"

namespace ember::daemon {
namespace {

// Names are as those of VMs, which start with a letter.
std::string NameFromTime() {
  return absl::FormatTime("s%Y%m%d-%H%M%E3S", absl::Now(), absl::UTCTimeZone());
}

absl::Status CheckName(std::string_view name) {
  absl::Status valid = state::ValidateVmName(name);
  if (valid.ok()) return valid;
  return WithReason(
      WithHint(InvalidArgument("'{}' can't be the name of a snapshot", name),
               "it is like the name of a VM: 1 to 63 of a-z, 0-9 and '-', starts with a letter and "
               "does not end in '-', e.g. before-upgrade"),
      "INVALID_NAME");
}

absl::Status GoneMeanwhile() { return Aborted("the VM was deleted meanwhile"); }

}  // namespace

// One snapshot that is being made; shared by its callbacks.
struct Snapshots::Job {
  std::string name;
  std::string vm_id;
  state::Snapshot row;
  DiskForkPlan plan;
  DiskFork fork;
  Cancellation cancellation;
  DiskTurns::Turn turn;
  Reply<SnapshotView> reply;
};

void Snapshots::Create(Vm& vm, std::string name, Cancellation cancellation,
                       Reply<SnapshotView> reply) {
  auto job = std::make_shared<Job>();
  job->name = name.empty() ? NameFromTime() : std::move(name);
  std::replace(job->name.begin(), job->name.end(), '.', '-');
  job->cancellation = std::move(cancellation);
  job->reply = std::move(reply);
  ledger_.disk_turns().Take(vm, [this, job](Vm* current, DiskTurns::Turn turn) {
    if (current == nullptr) return job->reply(GoneMeanwhile());
    job->turn = std::move(turn);
    if (absl::Status begun = Begin(*current, job); !begun.ok()) {
      job->turn = nullptr;
      return job->reply(begun);
    }
    CrashPoint("snapshot/intent-committed");
    current->runner->Work<DiskFork>(
        [job]() -> absl::StatusOr<DiskFork> { return ForkDisk(job->plan, job->cancellation); },
        ledger_.Back<DiskFork>(
            *current, [this, job](Vm& made, auto fork) { OnMade(made, std::move(fork), job); }));
  });
}

absl::Status Snapshots::Begin(Vm& vm, const JobPtr& job) {
  if (vm.renaming()) return BeingRenamed(vm);
  RETURN_IF_ERROR(CheckName(job->name));
  ASSIGN_OR_RETURN(job->plan, keeper_.PlanFor(vm));
  if (vm.record.disk.path.empty()) {
    return FailedPrecondition("vm '{}' has no disk: its backend '{}' needs none", vm.record.name,
                              vm.record.config.backend);
  }
  if (!IsSplit(*job->plan.volumes, job->plan.disk)) {
    // "snapshot-" and the random end of a UUID.
    const std::string end = storage::UniqueDiskStem(job->plan.new_id).substr(4);
    job->plan.clone = storage::CloneTarget{vm.paths.dir, "snapshot" + end};
    job->plan.clone_bytes = vm.record.config.disk_bytes;
  }
  job->vm_id = vm.record.id;
  state::Snapshot wanted;
  wanted.vm_id = vm.record.id;
  wanted.name = job->name;
  wanted.format = vm.record.disk.format;
  wanted.disk_bytes = vm.record.config.disk_bytes;
  ASSIGN_OR_RETURN(job->row, ledger_.context().store.BeginSnapshot(wanted));
  return absl::OkStatus();
}

void Snapshots::OnMade(Vm& vm, absl::StatusOr<DiskFork> fork, const JobPtr& job) {
  absl::Status outcome = fork.status();
  if (fork.ok()) {
    job->fork = *std::move(fork);
    outcome = job->fork.outcome;
  }
  if (!outcome.ok()) {
    return GiveUp(job, Annotate(outcome, fmt::format("vm '{}': its snapshot", vm.record.name)));
  }
  state::SnapshotContent content;
  if (job->fork.clone.has_value()) {
    content.file_name = std::filesystem::path(job->fork.clone->path).filename();
  } else {
    content.layer_id = job->fork.layer_id;
  }
  auto records = ledger_.context().store.FinishSnapshot(job->row.id, content, job->fork.split);
  if (!records.ok()) return GiveUp(job, records.status());
  CrashPoint("snapshot/recorded");
  keeper_.OnForked(job->plan, job->fork, std::move(records->vm));
  job->turn = nullptr;
  job->reply(SnapshotView{vm.record.name, std::move(records->snapshot), job->fork.frozen});
}

// Undoes what there is of it: files, and the row once it can be written again.
void Snapshots::GiveUp(const JobPtr& job, const absl::Status& why) {
  Vm* vm = vms_.FindById(job->vm_id);
  if (vm != nullptr && job->fork.clone.has_value()) {
    keeper_.RemoveFile(*vm, job->fork.clone->path);
  }
  keeper_.Abandon(job->vm_id, job->plan, job->fork, std::move(job->turn));
  job->turn = nullptr;
  ledger_.Settle("an undone snapshot", [this, job] {
    const absl::Status removed = ledger_.context().store.RemoveSnapshot(job->row.id);
    return absl::IsNotFound(removed) ? absl::OkStatus() : removed;  // the VM has taken it along
  });
  job->reply(why);
}

absl::StatusOr<std::vector<SnapshotView>> Snapshots::List(const Vm* vm) {
  ASSIGN_OR_RETURN(const auto snapshots,
                   ledger_.context().store.ListSnapshots(vm == nullptr ? "" : vm->record.id));
  std::vector<SnapshotView> views;
  for (const state::Snapshot& snapshot : snapshots) {
    if (snapshot.state != state::SnapshotState::kReady) continue;
    const Vm* owner = vms_.FindById(snapshot.vm_id);
    if (owner != nullptr) views.push_back({owner->record.name, snapshot, std::nullopt});
  }
  return views;
}

absl::Status Snapshots::CheckNone(const Vm& vm) {
  ASSIGN_OR_RETURN(const auto snapshots, ledger_.context().store.ListSnapshots(vm.record.id));
  if (snapshots.empty()) return absl::OkStatus();
  std::string names;
  for (const state::Snapshot& snapshot : snapshots) {
    names += (names.empty() ? "" : ", ") + snapshot.name;
  }
  return WithHint(
      WithReason(FailedPrecondition("vm '{}' has snapshot(s): {}", vm.record.name, names),
                 "IN_USE"),
      fmt::format("delete them first: ember snapshot delete {0} NAME, or delete it with all of "
                  "them: ember vm delete --force {0}",
                  vm.record.name));
}

struct Snapshots::Restoring {
  std::string name;
  state::Snapshot snapshot;
  storage::LayerFiles layers;
  storage::VolumeStore* volumes;
  std::filesystem::path dir;
  uint64_t disk_bytes;
  std::string new_id;

  absl::StatusOr<state::DiskRow> MakeDisk(const Cancellation& cancellation) const;
};

// A clone of the snapshot, as large as the VM's disk is now: disks only grow.
absl::StatusOr<state::DiskRow> Snapshots::Restoring::MakeDisk(
    const Cancellation& cancellation) const {
  RETURN_IF_ERROR(FaultPoint("snapshot/make-disk"));
  const storage::CloneTarget target{dir, storage::UniqueDiskStem(new_id)};
  auto disk = snapshot.layer_id.empty()
                  ? volumes->Clone(dir / snapshot.file_name, target, disk_bytes, cancellation)
                  : layers.Overlay(snapshot.layer_id, snapshot.format, target, disk_bytes);
  if (!disk.ok()) return disk.status();
  CrashPoint("snapshot/disk-made");
  return state::DiskRow{disk->path.native(), std::string(VolumeFormatName(disk->format)),
                        snapshot.layer_id};
}

absl::StatusOr<std::shared_ptr<Snapshots::Restoring>> Snapshots::PlanRestore(
    const Vm& vm, const std::string& name) {
  if (vm.renaming()) return BeingRenamed(vm);
  RETURN_IF_ERROR(state::Next(vm.record.state, state::VmEvent::kRestore, vm.record.name).status());
  if (vm.record.machine.has_value()) {
    return FailedPrecondition("vm '{}': what is left of its machine could not be ended yet",
                              vm.record.name);
  }
  auto plan = std::make_shared<Restoring>(Restoring{name,
                                                    {},
                                                    keeper_.layers(),
                                                    &ledger_.context().volumes,
                                                    vm.paths.dir,
                                                    vm.record.config.disk_bytes,
                                                    ""});
  ASSIGN_OR_RETURN(plan->snapshot, ledger_.context().store.GetSnapshot(vm.record, name));
  ASSIGN_OR_RETURN(plan->new_id, TimeOrderedUuid());
  const bool stands_alone = plan->volumes->kind() != storage::CloneKind::kOverlay;
  if (plan->snapshot.layer_id.empty() && !stands_alone) {
    return WithHint(FailedPrecondition("vm '{}': snapshot '{}' is a raw file, and this file system "
                                       "can't clone it",
                                       vm.record.name, name),
                    "move the state directory to XFS or btrfs");
  }
  return plan;
}

void Snapshots::Restore(Vm& vm, std::string name, Cancellation cancellation,
                        std::function<void(absl::Status)> restored) {
  ledger_.disk_turns().Take(vm, [this, name = std::move(name), cancellation,
                                 restored = std::move(restored)](Vm* current,
                                                                 DiskTurns::Turn turn) {
    if (current == nullptr) return restored(GoneMeanwhile());
    auto plan = PlanRestore(*current, name);
    if (!plan.ok()) return restored(plan.status());
    current->runner->Work<state::DiskRow>(
        [plan = *plan, cancellation] { return plan->MakeDisk(cancellation); },
        ledger_.Back<state::DiskRow>(*current, [this, name, turn, restored](Vm& made, auto disk) {
          restored(OnRestored(made, disk, name));
        }));
  });
}

absl::Status Snapshots::OnRestored(Vm& vm, const absl::StatusOr<state::DiskRow>& disk,
                                   const std::string& name) {
  if (!disk.ok()) {
    return Annotate(disk.status(),
                    fmt::format("vm '{}': the restore of its snapshot '{}'", vm.record.name, name));
  }
  const std::string old_disk = vm.record.disk.path;
  auto record = ledger_.context().store.ReplaceDisk(vm.record.id, *disk, "snapshot-restored", name);
  if (!record.ok()) {
    keeper_.RemoveFile(vm, disk->path);
    return record.status();
  }
  CrashPoint("snapshot/restored");
  ledger_.Changed(vm, *std::move(record));
  keeper_.RemoveFile(vm, old_disk);
  keeper_.DropUnusedLayers();
  return absl::OkStatus();
}

void Snapshots::Delete(Vm& vm, std::string name, std::function<void(absl::Status)> deleted) {
  ledger_.disk_turns().Take(vm, [this, name = std::move(name), deleted = std::move(deleted)](
                                    Vm* current, DiskTurns::Turn turn) {
    if (current == nullptr) return deleted(GoneMeanwhile());
    if (current->renaming()) return deleted(BeingRenamed(*current));
    const auto snapshot = ledger_.context().store.GetSnapshot(current->record, name);
    if (!snapshot.ok()) return deleted(snapshot.status());
    const absl::Status begun = ledger_.context().store.BeginSnapshotRemoval(snapshot->id);
    if (!begun.ok()) return deleted(begun);
    CrashPoint("snapshot/removal-committed");
    Remove(*current, *snapshot, std::move(turn), deleted);
  });
}

// The file first: a row without it is removed at the next start.
void Snapshots::Remove(Vm& vm, const state::Snapshot& snapshot, DiskTurns::Turn turn,
                       std::function<void(absl::Status)> deleted) {
  const std::filesystem::path file =
      snapshot.file_name.empty() ? "" : vm.paths.dir / snapshot.file_name;
  vm.runner->Work<Done>(
      [file]() -> absl::StatusOr<Done> {
        RETURN_IF_ERROR(FaultPoint("snapshot/remove-file"));
        if (!file.empty()) {
          RETURN_IF_ERROR(storage::RemoveVolume({file, storage::VolumeFormat::kRaw, 0}));
        }
        CrashPoint("snapshot/file-removed");
        return Done{};
      },
      ledger_.Back<Done>(vm, [this, snapshot, turn = std::move(turn), deleted = std::move(deleted)](
                                 Vm&, const auto& removed) {
        const std::string id = snapshot.id;
        if (!removed.ok()) {
          ledger_.Settle("a snapshot that stays", [this, snapshot, turn] {
            return ledger_.context().store.UndoSnapshotRemoval(snapshot);
          });
          return deleted(removed.status());
        }
        ledger_.Settle("a deleted snapshot", [this, id, turn, deleted] {
          absl::Status done = ledger_.context().store.RemoveSnapshot(id);
          if (!done.ok() && !absl::IsNotFound(done)) return done;
          keeper_.DropUnusedLayers();
          deleted(absl::OkStatus());
          return absl::OkStatus();
        });
      }));
}

}  // namespace ember::daemon
