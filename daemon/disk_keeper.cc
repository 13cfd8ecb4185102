#include "daemon/disk_keeper.h"

#include <utility>
#include <vector>

#include "backends/storage/qcow2_overlay.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/host_decisions.h"

namespace ember::daemon {
namespace {

bool IsOff(const Vm& vm) {
  const state::VmState state = vm.record.state;
  const bool off = state == state::VmState::kCreated || state == state::VmState::kStopped ||
                   state == state::VmState::kFailed;
  return off && !vm.record.machine.has_value() && !vm.renaming();
}

// What a chain of layers ends in: the image under the lowest of them, or else that one.
struct Base {
  std::filesystem::path path;
  storage::VolumeFormat format;
  std::string layer_id;  // empty: an image
};

absl::StatusOr<Base> BaseUnder(const storage::LayerFiles& layers, const state::DiskLayer& lowest) {
  const storage::VolumeFormat format = storage::ParseVolumeFormat(lowest.format);
  Base base{layers.PathOf(lowest.id, format), format, lowest.id};
  if (format == storage::VolumeFormat::kRaw) return base;
  ASSIGN_OR_RETURN(const storage::Qcow2Header header, storage::ReadQcow2Header(base.path));
  if (!header.backing_format.has_value()) return base;
  return Base{header.backing, *header.backing_format, ""};
}

}  // namespace

struct DiskKeeper::Flattening {
  std::string vm_id;
  state::DiskRow disk;
  std::vector<state::DiskLayer> chain;  // from the top
  Base base;
  DiskTurns::Turn turn;
  std::stop_source stop;
};

DiskKeeper::DiskKeeper(VmLedger& ledger, VmTable& vms)
    : ledger_(ledger),
      context_(ledger.context()),
      vms_(vms),
      layers_(ledger.context().state_dir / "layers") {
  ledger_.disk_turns().OnFreed([this](Vm& vm) { OnChanged(vm); });
}

absl::StatusOr<DiskForkPlan> DiskKeeper::PlanFor(const Vm& vm) const {
  const state::VmRecord& record = vm.record;
  RETURN_IF_ERROR(state::Next(record.state, state::VmEvent::kFork, record.name).status());
  ASSIGN_OR_RETURN(const hypervisor::Backend* backend, ledger_.FindBackend(record.config.backend));
  DiskForkPlan plan;
  plan.volumes = &context_.volumes;
  plan.layers = layers_;
  plan.dir = vm.paths.dir;
  plan.disk = record.disk;
  plan.disk_bytes = record.config.disk_bytes;
  plan.io = &context_.io;
  plan.vm_name = record.name;
  ASSIGN_OR_RETURN(plan.new_id, TimeOrderedUuid());
  if (record.disk.path.empty()) return plan;  // nothing to clone, running or not
  const bool split = IsSplit(context_.volumes, record.disk);
  if (split && !backend->capabilities().qcow2_disks) {
    return FailedPrecondition(
        "vm '{}': its backend '{}' reads no qcow2 disks, and this file system "
        "can't clone others",
        record.name, record.config.backend);
  }
  if (IsOff(vm)) return plan;
  if (!state::MayHaveMachine(record.state)) {
    return FailedPrecondition("vm '{}': what is left of its machine could not be ended yet",
                              record.name);
  }
  if (vm.machine == nullptr) return NotRunning(vm);
  if (unsure_.contains(record.id)) {
    return WithHint(
        Unavailable("vm '{}': it is not known which disk its machine writes", record.name),
        fmt::format("stop it, and restart emberhostd: ember vm stop {}; ember daemon "
                    "stop",
                    record.name));
  }
  const std::string stop = fmt::format("stop it first: ember vm stop {}", record.name);
  if (split && !backend->capabilities().live_disks) {
    return WithHint(FailedPrecondition("vm '{}' is running, and its backend '{}' can't split the "
                                       "disk of a machine",
                                       record.name, record.config.backend),
                    stop);
  }
  if (split && DepthOf(record.disk) >= kDeepestOfAll) {
    return WithReason(WithHint(FailedPrecondition("vm '{}': its disk lies over {} layers, no more "
                                                  "are possible while it runs",
                                                  record.name, DepthOf(record.disk)),
                               stop + "; they are flattened while it is off"),
                      "CHAIN_TOO_DEEP");
  }
  plan.machine = vm.machine;
  plan.paused = record.state == state::VmState::kPaused;
  return plan;
}

void DiskKeeper::OnForked(const DiskForkPlan& plan, const DiskFork& fork, state::VmRecord record) {
  Vm* vm = vms_.FindById(record.id);
  if (vm == nullptr) return;
  ledger_.Changed(*vm, std::move(record));
  if (!fork.split.has_value()) return;
  // The layer is the same file, but QEMU opens it by the old name again when the next overlay
  // comes.
  if (plan.machine != nullptr) {
    vm->retired_disks.push_back(plan.disk.path);
  } else {
    RemoveFile(*vm, plan.disk.path);
  }
}

void DiskKeeper::Abandon(const std::string& vm_id, const DiskForkPlan& plan, const DiskFork& fork,
                         DiskTurns::Turn turn) {
  Vm* vm = vms_.FindById(vm_id);
  if (vm == nullptr || !fork.split.has_value()) return;
  if (!fork.in_use) {
    vm->runner->Work<Done>(
        [plan, split = *fork.split]() -> absl::StatusOr<Done> {
          UndoSplit(plan, split);
          return Done{};
        },
        ledger_.Back<Done>(*vm, [turn](Vm&, const auto&) {}));
    return;
  }
  ledger_.Settle("a split disk", [this, vm_id, plan, fork, turn] {
    if (vms_.FindById(vm_id) == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(state::VmRecord record, context_.store.RecordSplit(vm_id, *fork.split));
    OnForked(plan, fork, std::move(record));
    return absl::OkStatus();
  });
}

void DiskKeeper::RemoveFile(Vm& vm, std::string path) {
  vm.runner->Work<Done>(
      [path]() -> absl::StatusOr<Done> {
        RETURN_IF_ERROR(storage::RemoveVolume({path, storage::VolumeFormat::kRaw, 0}));
        return Done{};
      },
      ledger_.Back<Done>(vm, [log = context_.log](Vm& current, const auto& removed) {
        if (removed.ok()) return;
        log.Warn("a disk that is no longer used stays until the next start of emberhostd",
                 {{"vm", current.record.name}, {"cause", std::string(Message(removed.status()))}});
      }));
}

void DiskKeeper::DropUnusedLayers() {
  auto dropped = context_.store.DropUnusedLayers();
  if (!dropped.ok()) {
    context_.log.Warn("unused disk layers stay until the next change",
                      {{"cause", std::string(Message(dropped.status()))}});
    return;
  }
  if (dropped->empty()) return;
  CrashPoint("layers/rows-removed");
  context_.catalog.RunApart(
      "layers", [layers = layers_, dropped = *std::move(dropped), log = context_.log] {
        for (const state::DiskLayer& layer : dropped) {
          const absl::Status removed =
              layers.Remove(layer.id, storage::ParseVolumeFormat(layer.format));
          if (removed.ok()) continue;
          log.Warn("a disk layer stays until the next start of emberhostd",
                   {{"layer", layer.id}, {"cause", std::string(Message(removed))}});
        }
      });
}

// --- Short chains. ---

uint32_t DiskKeeper::DepthOf(const state::DiskRow& disk) const {
  if (disk.layer_id.empty()) return 0;
  const auto layer = context_.store.GetLayer(disk.layer_id);
  return layer.ok() ? layer->depth : 0;
}

bool DiskKeeper::IsTooDeep(const Vm& vm) const {
  const state::DiskRow& disk = vm.record.disk;
  if (!IsOff(vm) || disk.layer_id.empty() || disk.layer_id == vm.stuck_layer) return false;
  return DepthOf(disk) > kDeepestAtRest;
}

void DiskKeeper::OnChanged(Vm& vm) {
  if (IsOff(vm)) {
    for (std::string& path : std::exchange(vm.retired_disks, {})) RemoveFile(vm, std::move(path));
  }
  if (stopped_ || !IsTooDeep(vm)) return;
  context_.host.Post([this, id = vm.record.id] { Flatten(id); });
}

void DiskKeeper::Stop() {
  stopped_ = true;
  ledger_.disk_turns().InterruptIdle();
}

void DiskKeeper::Flatten(const std::string& vm_id) {
  Vm* vm = vms_.FindById(vm_id);
  if (stopped_ || flattening_ || vm == nullptr || !IsTooDeep(*vm)) return;
  auto job = std::make_shared<Flattening>();
  job->vm_id = vm_id;
  job->disk = vm->record.disk;
  const bool startable = DepthOf(job->disk) <= kDeepestToStart;
  job->turn = ledger_.disk_turns().TakeIdle(
      *vm, job->stop, startable ? DiskTurns::Yields::kAtOnce : DiskTurns::Yields::kAtTheEnd);
  if (job->turn == nullptr) return;  // whoever has it comes back here
  flattening_ = true;
  for (std::string id = job->disk.layer_id; !id.empty();) {
    auto layer = context_.store.GetLayer(id);
    if (!layer.ok()) return OnFlattened(job, layer.status());
    id = layer->base_id;
    job->chain.push_back(*std::move(layer));
  }
  vm->runner->Work<Done>(
      [job, layers = layers_]() -> absl::StatusOr<Done> {
        ASSIGN_OR_RETURN(job->base, BaseUnder(layers, job->chain.back()));
        RETURN_IF_ERROR(storage::Flatten(job->disk.path, job->base.path, job->base.format,
                                         {job->stop.get_token(), {}}));
        return Done{};
      },
      ledger_.Back<Done>(*vm,
                         [this, job](Vm&, const auto& done) { OnFlattened(job, done.status()); }));
}

void DiskKeeper::OnFlattened(const std::shared_ptr<Flattening>& job,
                             const absl::Status& flattened) {
  Vm* vm = vms_.FindById(job->vm_id);
  const DiskTurns::Turn turn = std::move(job->turn);
  flattening_ = false;
  context_.host.Post([this] { vms_.ForEach([this](Vm& next) { OnChanged(next); }); });
  if (vm == nullptr || job->stop.stop_requested()) return;
  absl::Status settled = flattened;
  if (settled.ok()) {
    state::DiskRow disk = job->disk;
    disk.layer_id = job->base.layer_id;
    auto record =
        context_.store.ReplaceDisk(vm->record.id, disk, "disk-flattened",
                                   fmt::format("it lay over {} layers", job->chain.size()));
    settled = record.status();
    if (record.ok()) {
      ledger_.Changed(*vm, *std::move(record));
      return DropUnusedLayers();
    }
  }
  // The disk says what it said, over as many layers; only speed is lost.
  vm->stuck_layer = job->disk.layer_id;
  context_.log.Warn("a disk could not be flattened",
                    {{"vm", vm->record.name}, {"cause", std::string(Message(settled))}});
}

}  // namespace ember::daemon
