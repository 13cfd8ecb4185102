// What DiskKeeper does when the daemon starts: brings files and rows together.
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>

#include "backends/storage/qcow2_overlay.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/disk_keeper.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kAskDisk = absl::Seconds(5);

// Files that forks and snapshots make in a VM's directory.
bool IsDiskFile(const std::filesystem::path& path) {
  const std::string name = path.filename();
  const bool ours = name.starts_with("disk") || name.starts_with("snapshot-");
  return ours && (path.extension() == ".img" || path.extension() == ".qcow2");
}

absl::Status RemoveLeftFile(const Log& log, const std::filesystem::path& path) {
  log.Warn("removing a leftover file", {{"path", path.native()}});
  return storage::RemoveVolume({path, storage::VolumeFormat::kRaw, 0});
}

}  // namespace

// A daemon that was killed between a machine's switch and its row: the machine knows.
void DiskKeeper::OnAdopted(Vm& vm, std::function<void()> done) {
  const auto backend = ledger_.FindBackend(vm.record.config.backend);
  const bool asks = backend.ok() && (*backend)->capabilities().live_disks &&
                    !vm.record.disk.path.empty() && vm.machine != nullptr;
  if (!asks) return done();
  using Path = std::filesystem::path;
  vm.runner->Work<Path>(
      [machine = vm.machine] { return machine->ActiveDisk(Cancellation::After(kAskDisk)); },
      ledger_.Back<Path>(vm, [this, done = std::move(done)](Vm& current, auto active) {
        const absl::Status settled = active.ok() ? RecordSwitch(current, *active) : active.status();
        if (!settled.ok()) {
          unsure_.insert(current.record.id);
          context_.log.Error(
              "it is not known which disk a machine writes",
              {{"vm", current.record.name}, {"cause", std::string(Message(settled))}});
        }
        done();
      }));
}

absl::Status DiskKeeper::RecordSwitch(Vm& vm, const std::filesystem::path& active) {
  if (active == vm.record.disk.path) return absl::OkStatus();
  ASSIGN_OR_RETURN(const storage::Qcow2Header header, storage::ReadQcow2Header(active));
  const std::string layer_id = layers_.IdOf(header.backing);
  if (layer_id.empty() || active.parent_path() != vm.paths.dir) {
    return FailedPrecondition("vm '{}' writes {}, which is no disk of it", vm.record.name,
                              active.native());
  }
  context_.log.Warn("recording a disk that was split",
                    {{"vm", vm.record.name}, {"path", active.native()}});
  const state::DiskSplit split{layer_id, {active.native(), "qcow2", layer_id}};
  ASSIGN_OR_RETURN(state::VmRecord record, context_.store.RecordSplit(vm.record.id, split));
  ledger_.Changed(vm, std::move(record));
  return absl::OkStatus();
}

void DiskKeeper::Sweep() {
  const auto report = [this](std::string_view what, const absl::Status& swept) {
    if (swept.ok()) return;
    context_.log.Error("leftovers can't be removed",
                       {{"what", std::string(what)}, {"cause", std::string(Message(swept))}});
  };
  report("snapshots", SweepSnapshots());
  std::map<std::string, std::set<std::string>> known;  // file names by VM
  auto snapshots = context_.store.ListSnapshots();
  if (!snapshots.ok()) return report("snapshots", snapshots.status());
  for (const state::Snapshot& snapshot : *snapshots) {
    known[snapshot.vm_id].insert(snapshot.file_name);
  }
  bool sure = true;
  vms_.ForEach([&](Vm& vm) {
    const bool adopted = vm.machine != nullptr || !vm.record.machine.has_value();
    if (!adopted || unsure_.contains(vm.record.id)) {
      sure = false;
      return;
    }
    if (!vm.renaming()) report(vm.record.name, SweepDirectory(vm, known[vm.record.id]));
  });
  // A machine that nobody could ask may have a layer that no row names yet.
  if (sure) report("layers", SweepLayers());
  vms_.ForEach([this](Vm& vm) { OnChanged(vm); });
}

// The rows go, also of those that are still being made: who asked for them got no answer.
absl::Status DiskKeeper::SweepSnapshots() {
  ASSIGN_OR_RETURN(const auto snapshots, context_.store.ListSnapshots());
  for (const state::Snapshot& snapshot : snapshots) {
    if (snapshot.state == state::SnapshotState::kReady) continue;
    RETURN_IF_ERROR(context_.store.RemoveSnapshot(snapshot.id));
  }
  return absl::OkStatus();
}

// A switch that neither the row nor, since it has ended, the machine tells of: the disk's file is a
// layer too, and an overlay over that was written.
absl::StatusOr<bool> DiskKeeper::IsLostTop(const Vm& vm, const std::filesystem::path& path) const {
  if (vm.machine != nullptr || path.extension() != ".qcow2") return false;
  const auto header = storage::ReadQcow2Header(path);
  if (!header.ok() || layers_.IdOf(header->backing).empty()) return false;
  std::error_code absent;
  if (!std::filesystem::equivalent(header->backing, vm.record.disk.path, absent)) return false;
  ASSIGN_OR_RETURN(const bool untouched, storage::IsUntouched(path));
  return !untouched;
}

absl::Status DiskKeeper::RecordLostTop(Vm& vm) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(vm.paths.dir, error)) {
    if (!IsDiskFile(entry.path()) || entry.path() == vm.record.disk.path) continue;
    ASSIGN_OR_RETURN(const bool lost, IsLostTop(vm, entry.path()));
    if (lost) return RecordSwitch(vm, entry.path());
  }
  return absl::OkStatus();
}

absl::Status DiskKeeper::SweepDirectory(Vm& vm, const std::set<std::string>& known) {
  RETURN_IF_ERROR(RecordLostTop(vm));
  const std::string disk = std::filesystem::path(vm.record.disk.path).filename();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(vm.paths.dir, error)) {
    const std::string name = entry.path().filename();
    if (!IsDiskFile(entry.path()) || name == disk || known.contains(name)) continue;
    if (vm.machine != nullptr) {
      vm.retired_disks.push_back(entry.path());
      continue;
    }
    RETURN_IF_ERROR(RemoveLeftFile(context_.log, entry.path()));
  }
  return absl::OkStatus();
}

absl::Status DiskKeeper::SweepLayers() {
  RETURN_IF_ERROR(context_.store.DropUnusedLayers().status());
  ASSIGN_OR_RETURN(const auto rows, context_.store.ListLayers());
  std::set<std::filesystem::path> known;
  for (const state::DiskLayer& layer : rows) {
    known.insert(layers_.PathOf(layer.id, storage::ParseVolumeFormat(layer.format)));
  }
  ASSIGN_OR_RETURN(const auto files, layers_.List());
  for (const std::filesystem::path& file : files) {
    if (!known.contains(file)) RETURN_IF_ERROR(RemoveLeftFile(context_.log, file));
  }
  return absl::OkStatus();
}

}  // namespace ember::daemon
