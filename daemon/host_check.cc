#include "daemon/host_check.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "backends/hypervisor/process_tags.h"
#include "backends/storage/layer_files.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"
#include "daemon/volume_files.h"

namespace ember::daemon {
namespace {

// The rows' own anomalies that HostRepair can put right.
bool IsRepairableRow(std::string_view kind) {
  return kind == kCidMissing || kind == kAddressMissing;
}

bool HasMachine(state::VmState state) {
  return state == state::VmState::kRunning || state == state::VmState::kPaused;
}

// Nothing is being made, moved or removed.
bool IsSettled(const state::VmRecord& vm) {
  const bool settled_state = HasMachine(vm.state) || vm.state == state::VmState::kCreated ||
                             vm.state == state::VmState::kStopped ||
                             vm.state == state::VmState::kFailed;
  return settled_state && vm.dir_name == vm.name;
}

bool Exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

}  // namespace

struct HostCheck::Snapshot {
  struct Entry {
    state::VmRecord record;
    VmPaths paths;
    bool adopted = false;
    bool has_bridge = false;
    bool needs_kernel = false;
  };

  std::string installation_id;
  std::filesystem::path vms_dir;
  std::vector<Entry> vms;
  std::set<std::string> machine_ids;
  std::set<std::string> dirs;
  std::map<std::string, std::filesystem::path> layers;  // files by id
  std::map<std::string, std::string> bases;             // the layer under a layer
  Catalog* catalog = nullptr;
  std::vector<Anomaly> found;  // by what was compared on `host`

  void Add(const Entry& vm, std::string_view kind, std::string message, std::string remedy,
           bool repairable, std::vector<Anomaly>& into) const {
    into.push_back({std::string(kind),
                    {vm.record.name},
                    std::move(message),
                    std::move(remedy),
                    repairable,
                    vm.record.id});
  }
  void LookAtMachine(const Entry& vm, std::vector<Anomaly>& into) const;
  void LookAtFiles(const Entry& vm, std::vector<Anomaly>& into) const;
  absl::Status LookForStrangers(std::vector<Anomaly>& into) const;
};

void HostCheck::Run(Depth depth, Reply<std::vector<Anomaly>> reply) {
  std::shared_ptr<Snapshot> snapshot = Take();
  if (absl::Status compared = CompareRows(*snapshot); !compared.ok()) return reply(compared);
  CompareMemory(*snapshot);
  Sequence& host = ledger_.context().host;
  ledger_.context().catalog.RunApart(
      "host-check", [this, depth, &host, snapshot, reply = std::move(reply)]() mutable {
        auto found = LookAtHost(*snapshot, depth);
        host.Post([this, snapshot, found = std::move(found), reply = std::move(reply)]() mutable {
          if (!found.ok()) return reply(found.status());
          reply(Sift(*snapshot, *std::move(found)));
        });
      });
}

bool HostCheck::ProcessIsGone(const state::VmRecord& vm) {
  if (!HasMachine(vm.state) || !vm.machine.has_value()) return false;
  const auto now = IdentifyProcess(vm.machine->process.pid);
  return !now.ok() || *now != vm.machine->process;
}

bool HostCheck::SocketIsMissing(const Vm& vm) {
  if (!HasMachine(vm.record.state) || vm.machine == nullptr) return false;
  return vm.bridge == nullptr || !Exists(vm.paths.vsock_socket);
}

std::shared_ptr<HostCheck::Snapshot> HostCheck::Take() {
  auto snapshot = std::make_shared<Snapshot>();
  const VmLedger::Context& context = ledger_.context();
  snapshot->installation_id = context.store.installation_id();
  snapshot->vms_dir = context.state_dir / "vms";
  snapshot->catalog = &context.catalog;
  vms_.ForEach([&](const Vm& vm) {
    const auto backend = ledger_.FindBackend(vm.record.config.backend);
    snapshot->vms.push_back({vm.record, vm.paths, vm.machine != nullptr, vm.bridge != nullptr,
                             backend.ok() && (*backend)->capabilities().needs_kernel});
    snapshot->dirs.insert({vm.record.name, vm.record.dir_name});
    if (vm.record.machine.has_value()) snapshot->machine_ids.insert(vm.record.machine->machine_id);
  });
  return snapshot;
}

absl::Status HostCheck::CompareRows(Snapshot& snapshot) {
  ASSIGN_OR_RETURN(const auto layers, ledger_.context().store.ListLayers());
  const storage::LayerFiles files(ledger_.context().state_dir / "layers");
  for (const state::DiskLayer& layer : layers) {
    snapshot.layers[layer.id] = files.PathOf(layer.id, storage::ParseVolumeFormat(layer.format));
    snapshot.bases[layer.id] = layer.base_id;
  }
  ASSIGN_OR_RETURN(const std::vector<state::RowAnomaly> rows, ledger_.context().store.CheckRows());
  for (const state::RowAnomaly& row : rows) {
    const bool repairable = IsRepairableRow(row.kind);
    std::string subject;
    if (row.vm_names.size() == 1) {
      if (auto vm = vms_.Find(row.vm_names.front()); vm.ok()) {
        // Whoever asked for the rename, or recovery, is at it right now.
        if ((*vm)->renaming() && row.kind == kRenameUnfinished) continue;
        if ((*vm)->disk_taken && row.kind == kSnapshotUnfinished) continue;
        subject = (*vm)->record.id;
      }
    }
    snapshot.found.push_back({row.kind, row.vm_names, row.message,
                              repairable
                                  ? "ember host repair"
                                  : "stop emberhostd and put a copy of state.db in its place",
                              repairable && !subject.empty(), std::move(subject)});
  }
  return absl::OkStatus();
}

// What was committed last and what is in memory are the same thing at rest.
void HostCheck::CompareMemory(Snapshot& snapshot) {
  for (const Snapshot::Entry& vm : snapshot.vms) {
    const auto row = ledger_.context().store.GetVmById(vm.record.id);
    if (row.ok() && *row == vm.record) continue;
    snapshot.Add(
        vm, kMemoryDiffers,
        fmt::format("vm '{}': state.db says something else than emberhostd: {}", vm.record.name,
                    row.ok() ? "a field differs" : std::string(Message(row.status()))),
        "restart emberhostd: ember daemon stop; VMs go on running", false, snapshot.found);
  }
}

absl::StatusOr<std::vector<Anomaly>> HostCheck::LookAtHost(const Snapshot& snapshot, Depth depth) {
  std::vector<Anomaly> found = snapshot.found;
  for (const Snapshot::Entry& vm : snapshot.vms) {
    if (!IsSettled(vm.record)) continue;
    if (HasMachine(vm.record.state)) snapshot.LookAtMachine(vm, found);
    snapshot.LookAtFiles(vm, found);
  }
  if (depth == Depth::kAll) RETURN_IF_ERROR(snapshot.LookForStrangers(found));
  return found;
}

void HostCheck::Snapshot::LookAtMachine(const Entry& vm, std::vector<Anomaly>& into) const {
  const std::string& name = vm.record.name;
  if (!vm.record.machine.has_value()) return;  // the rows' own check says so
  if (ProcessIsGone(vm.record)) {
    return Add(vm, kProcessGone,
               fmt::format("vm '{}' is {}, but its process {} is gone", name,
                           state::VmStateName(vm.record.state), vm.record.machine->process.pid),
               "ember host repair", true, into);
  }
  if (!vm.adopted) {
    return Add(vm, kNotAdopted, fmt::format("vm '{}' runs and could not be taken over yet", name),
               "it is tried again every second; the log of emberhostd says why it fails", false,
               into);
  }
  if (!vm.has_bridge || !Exists(vm.paths.vsock_socket)) {
    Add(vm, kSocketMissing, fmt::format("vm '{}' has no {}", name, vm.paths.vsock_socket.native()),
        "ember host repair", true, into);
  }
}

void HostCheck::Snapshot::LookAtFiles(const Entry& vm, std::vector<Anomaly>& into) const {
  const std::string& name = vm.record.name;
  const std::string lost = fmt::format("put it back, or give the VM up: ember vm delete {}{}", name,
                                       HasMachine(vm.record.state) ? " --force" : "");
  if (!Exists(vm.paths.dir)) {
    return Add(vm, kDirectoryMissing,
               fmt::format("vm '{}': its directory {} is gone", name, vm.paths.dir.native()), lost,
               false, into);
  }
  if (!vm.record.disk.path.empty() && !Exists(vm.record.disk.path)) {
    Add(vm, kDiskMissing, fmt::format("vm '{}': its disk {} is gone", name, vm.record.disk.path),
        lost, false, into);
  }
  for (std::string id = vm.record.disk.layer_id; !id.empty(); id = bases.at(id)) {
    if (!layers.contains(id)) break;  // the rows' own check says so
    if (Exists(layers.at(id))) continue;
    Add(vm, kLayerMissing,
        fmt::format("vm '{}': its disk lies over {}, which is gone", name, layers.at(id).native()),
        lost, false, into);
  }
  for (const state::VolumeAttachment& volume : vm.record.config.volumes) {
    const std::filesystem::path file = VolumePath(vms_dir.parent_path(), volume.volume);
    if (Exists(file)) continue;
    Add(vm, kVolumeMissing,
        fmt::format("vm '{}': its volume '{}' is gone: {}", name, volume.volume, file.native()),
        lost, false, into);
  }
  if (!vm.needs_kernel) return;
  // A disk that is an overlay is nothing without its image.
  if (vm.record.disk.format == "qcow2" && !catalog->GetImage(vm.record.config.image).ok()) {
    Add(vm, kImageMissing,
        fmt::format("vm '{}': its disk is based on image '{}', which is gone", name,
                    vm.record.config.image),
        lost, false, into);
  }
  if (!catalog->GetKernel(vm.record.config.kernel).ok()) {
    Add(vm, kKernelMissing,
        fmt::format("vm '{}': its kernel '{}' is gone", name, vm.record.config.kernel),
        fmt::format("add it again, or choose another: ember vm update {} --kernel NAME", name),
        false, into);
  }
}

absl::Status HostCheck::Snapshot::LookForStrangers(std::vector<Anomaly>& into) const {
  ASSIGN_OR_RETURN(const std::vector<hypervisor::TaggedProcess> tagged,
                   hypervisor::FindTagged(installation_id));
  for (const hypervisor::TaggedProcess& process : tagged) {
    if (machine_ids.contains(process.machine_id)) continue;
    into.push_back(
        {std::string(kProcessUnknown),
         {},
         fmt::format("process {} belongs to a machine that no VM has", process.identity.pid),
         "ember host repair",
         true,
         process.machine_id});
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(vms_dir, error)) {
    if (dirs.contains(entry.path().filename().native())) continue;
    into.push_back({std::string(kDirectoryUnknown),
                    {},
                    fmt::format("{} belongs to no VM", entry.path().native()),
                    "ember host repair",
                    true,
                    entry.path().native()});
  }
  if (error) return Internal("{} can't be read: {}", vms_dir.native(), error.message());
  return absl::OkStatus();
}

// Keeps what still holds now that the look at the host is over.
std::vector<Anomaly> HostCheck::Sift(const Snapshot& snapshot, std::vector<Anomaly> found) {
  std::set<std::string> unchanged;
  std::set<std::string> machines, dirs;
  vms_.ForEach([&](const Vm& vm) {
    if (vm.record.machine.has_value()) machines.insert(vm.record.machine->machine_id);
    dirs.insert({vm.record.name, vm.record.dir_name});
  });
  for (const Snapshot::Entry& before : snapshot.vms) {
    const Vm* now = vms_.FindById(before.record.id);
    if (now != nullptr && now->record == before.record) unchanged.insert(before.record.name);
  }
  std::erase_if(found, [&](const Anomaly& anomaly) {
    if (anomaly.kind == kProcessUnknown) return machines.contains(anomaly.subject);
    if (anomaly.kind == kDirectoryUnknown) {
      // A VM that was made and deleted while we looked has taken it along.
      return dirs.contains(std::filesystem::path(anomaly.subject).filename().native()) ||
             !Exists(anomaly.subject);
    }
    return std::any_of(anomaly.vm_names.begin(), anomaly.vm_names.end(),
                       [&](const std::string& name) { return !unchanged.contains(name); });
  });
  return found;
}

}  // namespace ember::daemon
