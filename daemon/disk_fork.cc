#include "daemon/disk_fork.h"

#include <utility>

#include "backends/storage/qcow2_overlay.h"
#include "base/awaited.h"
#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/freeze.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kFreezeReply = absl::Seconds(10);
constexpr absl::Duration kThawReply = absl::Seconds(2);
constexpr absl::Duration kMotion = absl::Seconds(10);
constexpr absl::Duration kAskDisk = absl::Seconds(2);

storage::VolumeFormat FormatOf(const state::DiskRow& disk) {
  return storage::ParseVolumeFormat(disk.format);
}

storage::Volume VolumeOf(const DiskForkPlan& plan) {
  return {plan.disk.path, FormatOf(plan.disk), plan.disk_bytes};
}

state::DiskRow RowOf(const storage::Volume& volume, std::string layer_id) {
  return {volume.path.native(), std::string(storage::VolumeFormatName(volume.format)),
          std::move(layer_id)};
}

// A machine that does nothing can't freeze its file systems: it runs for so long.
class Running {
 public:
  Running(hypervisor::Machine& machine, bool paused) : machine_(machine), paused_(paused) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (begun_) machine_.Pause(Cancellation::After(kMotion)).IgnoreError();  // recovery's otherwise
  }

  absl::Status Begin() {
    if (!paused_) return absl::OkStatus();
    begun_ = true;
    return machine_.Resume(Cancellation::After(kMotion));
  }

 private:
  hypervisor::Machine& machine_;
  const bool paused_;
  bool begun_ = false;
};

// Runs `work` while the guest's file systems stand still, if there is a guest. An OK means that
// they did so from its beginning to its end.
template <typename Work>
absl::Status WhileFrozen(const DiskForkPlan& plan, const Cancellation& cancellation,
                         std::optional<absl::Duration>& frozen, Work work) {
  if (plan.machine == nullptr) return work();
  Running running(*plan.machine, plan.paused);
  RETURN_IF_ERROR(running.Begin());
  Awaited<std::unique_ptr<FrozenVm>> freezing;
  FreezeVm(*plan.io, {"", plan.vm_name, plan.machine}, kMostFrozen, freezing.reply());
  ASSIGN_OR_RETURN(const std::unique_ptr<FrozenVm> guest,
                   freezing.Wait(cancellation.Within(kFreezeReply), "freeze of its file systems"));
  CrashPoint("disk/frozen");
  const absl::Status done = work();
  Awaited<absl::Duration> thawing;
  guest->Thaw(thawing.reply());
  auto stood_still = thawing.Wait(Cancellation::After(kThawReply), "thaw of its file systems");
  RETURN_IF_ERROR(done);
  RETURN_IF_ERROR(stood_still.status());
  frozen = *stood_still;
  return absl::OkStatus();
}

absl::StatusOr<storage::Volume> MakeOverlay(const std::filesystem::path& backing,
                                            storage::VolumeFormat format,
                                            const storage::CloneTarget& target,
                                            uint64_t size_bytes) {
  RETURN_IF_ERROR(FaultPoint("disk/make-overlay"));
  return storage::CreateOverlay(backing, format, target, size_bytes);
}

// Leads the machine's writes to `top`. `in_use` is false only where they surely do not go there.
absl::Status Switch(const DiskForkPlan& plan, const state::DiskRow& top,
                    const Cancellation& cancellation, bool& in_use) {
  absl::Status switched = plan.machine->SwitchDisk({top.path, hypervisor::DiskFormat::kQcow2},
                                                   cancellation.Within(kMostFrozen));
  in_use = switched.ok();
  const bool open = absl::IsUnavailable(switched) || absl::IsDeadlineExceeded(switched) ||
                    absl::IsCancelled(switched);
  if (open) {
    const auto active = plan.machine->ActiveDisk(Cancellation::After(kAskDisk));
    // Where nobody can say, the split stands: over a layer that is written after all, its empty top
    // still says what the disk says.
    in_use = !active.ok() || active->native() == top.path;
  }
  return switched;
}

// An overlay over the file that the untouched overlay of the source lies over itself: so many forks
// of one VM that is off lie next to each other, not over each other.
absl::Status CloneBeside(const DiskForkPlan& plan, const storage::Qcow2Header& source,
                         DiskFork& fork) {
  fork.layer_id = plan.disk.layer_id;
  if (!plan.clone.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const storage::Volume clone, MakeOverlay(source.backing, *source.backing_format,
                                                            *plan.clone, plan.clone_bytes));
  fork.clone = RowOf(clone, plan.disk.layer_id);
  return absl::OkStatus();
}

// What lies under an overlay of a VM that is off, if nothing was written to it. A snapshot needs a
// layer there, which an image is not.
absl::StatusOr<std::optional<storage::Qcow2Header>> BaseOfUntouched(const DiskForkPlan& plan) {
  const bool may_be = plan.machine == nullptr && plan.disk.format == "qcow2" &&
                      (plan.clone.has_value() || !plan.disk.layer_id.empty());
  if (!may_be) return std::nullopt;
  ASSIGN_OR_RETURN(const bool untouched, storage::IsUntouched(plan.disk.path));
  if (!untouched) return std::nullopt;
  ASSIGN_OR_RETURN(storage::Qcow2Header header, storage::ReadQcow2Header(plan.disk.path));
  if (!header.backing_format.has_value()) return std::nullopt;
  return std::optional(std::move(header));
}

absl::Status Split(const DiskForkPlan& plan, const Cancellation& cancellation, DiskFork& fork) {
  RETURN_IF_ERROR(FaultPoint("disk/link-layer"));
  ASSIGN_OR_RETURN(const storage::Volume layer, plan.layers.Link(VolumeOf(plan), plan.new_id));
  CrashPoint("disk/layer-linked");
  fork.split = state::DiskSplit{plan.new_id, {}};
  fork.layer_id = plan.new_id;
  ASSIGN_OR_RETURN(const storage::Volume top,
                   MakeOverlay(layer.path, layer.format,
                               {plan.dir, storage::UniqueDiskStem(plan.new_id)}, plan.disk_bytes));
  fork.split->top = RowOf(top, plan.new_id);
  CrashPoint("disk/top-made");
  if (plan.machine != nullptr) {
    RETURN_IF_ERROR(WhileFrozen(plan, cancellation, fork.frozen, [&] {
      return Switch(plan, fork.split->top, cancellation, fork.in_use);
    }));
    CrashPoint("disk/switched");
  }
  if (!plan.clone.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const storage::Volume clone,
                   MakeOverlay(layer.path, layer.format, *plan.clone, plan.clone_bytes));
  fork.clone = RowOf(clone, plan.new_id);
  return absl::OkStatus();
}

absl::Status CloneFile(const DiskForkPlan& plan, const Cancellation& cancellation, DiskFork& fork) {
  return WhileFrozen(plan, cancellation, fork.frozen, [&]() -> absl::Status {
    const Cancellation limit =
        plan.machine == nullptr ? cancellation : cancellation.Within(kMostFrozen);
    ASSIGN_OR_RETURN(const storage::Volume clone,
                     plan.volumes->Clone(plan.disk.path, *plan.clone, plan.clone_bytes, limit));
    fork.clone = RowOf(clone, "");
    return absl::OkStatus();
  });
}

absl::Status MakeFork(const DiskForkPlan& plan, const Cancellation& cancellation, DiskFork& fork) {
  if (!IsSplit(*plan.volumes, plan.disk)) return CloneFile(plan, cancellation, fork);
  ASSIGN_OR_RETURN(const auto base, BaseOfUntouched(plan));
  return base.has_value() ? CloneBeside(plan, *base, fork) : Split(plan, cancellation, fork);
}

}  // namespace

bool IsSplit(const storage::VolumeStore& volumes, const state::DiskRow& disk) {
  return disk.format == "qcow2" || volumes.kind() == storage::CloneKind::kOverlay;
}

DiskFork ForkDisk(const DiskForkPlan& plan, const Cancellation& cancellation) {
  DiskFork fork;
  fork.outcome = MakeFork(plan, cancellation, fork);
  CrashPoint("disk/forked");
  if (fork.outcome.ok()) return fork;
  if (fork.clone.has_value()) {
    storage::RemoveVolume({fork.clone->path, FormatOf(*fork.clone), 0}).IgnoreError();
    fork.clone.reset();
  }
  if (fork.split.has_value() && !fork.in_use) {
    UndoSplit(plan, *fork.split);
    fork.split.reset();
  }
  return fork;
}

// What can't be removed has no row, and goes when the daemon starts.
void UndoSplit(const DiskForkPlan& plan, const state::DiskSplit& split) {
  if (!split.top.path.empty()) {
    storage::RemoveVolume({split.top.path, storage::VolumeFormat::kQcow2, 0}).IgnoreError();
  }
  plan.layers.Remove(split.layer_id, FormatOf(plan.disk)).IgnoreError();
}

}  // namespace ember::daemon
