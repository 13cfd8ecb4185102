#include "daemon/disk_resize.h"

#include <string>
#include <utility>

#include "backends/storage/disk_size.h"
#include "base/fault_point.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/agent_call.h"
#include "daemon/host_decisions.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kFileLimit = absl::Seconds(30);
// Growing an ext4 online writes its new tables: seconds for a terabyte.
constexpr absl::Duration kAgentLimit = absl::Minutes(2);
constexpr uint64_t kMost = uint64_t{16} << 40;  // of ext4 with blocks of 4 KiB
constexpr uint64_t kSector = 512;

storage::VolumeFormat FormatOf(const state::DiskRow& disk) {
  return disk.format == "qcow2" ? storage::VolumeFormat::kQcow2 : storage::VolumeFormat::kRaw;
}

bool IsOff(const Vm& vm) {
  const state::VmState state = vm.record.state;
  const bool settled = state == state::VmState::kCreated || state == state::VmState::kStopped ||
                       state == state::VmState::kFailed;
  return settled && !vm.record.machine.has_value();
}

bool Runs(const Vm& vm) {
  return vm.record.state == state::VmState::kRunning && vm.machine != nullptr;
}

// On the VM's runner. `machine` is null where the VM is off.
absl::StatusOr<Done> Grow(const std::shared_ptr<hypervisor::Machine>& machine,
                          const state::DiskRow& disk, uint64_t bytes) {
  const Cancellation limit = Cancellation::After(kFileLimit);
  const storage::VolumeFormat format = FormatOf(disk);
  absl::Status grown = FaultPoint("resize/grow-file");
  if (grown.ok()) {
    grown = machine != nullptr ? machine->ResizeDisk(0, bytes, limit)
                               : storage::GrowDiskFile(disk.path, format, bytes, limit);
  }
  CrashPoint("resize/file-grown");
  if (grown.ok()) return Done{};
  // A machine that ended in the middle of it may have done it.
  const auto now = storage::DiskSize(disk.path, format);
  if (now.ok() && *now >= bytes) return Done{};
  return grown;
}

}  // namespace

absl::Status DiskResize::Check(const Vm& vm, uint64_t bytes) const {
  const std::string& name = vm.record.name;
  if (!IsOff(vm) && !Runs(vm)) return NotRunning(vm);
  if (vm.record.disk.format.empty()) {
    return FailedPrecondition("vm '{}' has no disk that could grow", name);
  }
  const uint64_t now = vm.record.config.disk_bytes;
  if (bytes < now) {
    return WithHint(InvalidArgument("vm '{}': its disk has {} already, and disks only grow", name,
                                    FormatSize(now)),
                    fmt::format("name a larger size: ember vm resize {} --disk-size {}", name,
                                FormatSize(2 * now)));
  }
  if (bytes > kMost || bytes % kSector != 0) {
    return WithHint(
        InvalidArgument("vm '{}': a disk of {} bytes is not possible", name, bytes),
        fmt::format("whole sectors of {} bytes, at most {}", kSector, FormatSize(kMost)));
  }
  if (!Runs(vm)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const hypervisor::Backend* backend,
                   ledger_.FindBackend(vm.record.config.backend));
  if (backend->capabilities().live_disks) return absl::OkStatus();
  return WithHint(FailedPrecondition("vm '{}': its backend '{}' can't grow a disk that is in use",
                                     name, vm.record.config.backend),
                  fmt::format("stop it first: ember vm stop {}", name));
}

void DiskResize::Resize(Vm& vm, uint64_t bytes, Done resized) {
  ledger_.disk_turns().Take(
      vm, [this, bytes, resized = std::move(resized)](Vm* current, DiskTurns::Turn turn) {
        if (current == nullptr) return resized(Aborted("the VM was deleted meanwhile"));
        ResizeNow(*current, bytes, [resized, turn = std::move(turn)](const absl::Status& status) {
          resized(status);
        });
      });
}

void DiskResize::ResizeNow(Vm& vm, uint64_t bytes, Done resized) {
  if (absl::Status possible = Check(vm, bytes); !possible.ok()) return resized(possible);
  const uint64_t before = vm.record.config.disk_bytes;
  auto record = ledger_.context().store.SetDiskSize(vm.record.id, bytes);
  if (!record.ok()) return resized(record.status());
  CrashPoint("resize/row-committed");
  ledger_.Changed(vm, *std::move(record));
  GrowFile(vm,
           [this, before, resized = std::move(resized)](Vm& current, const absl::Status& grown) {
             OnGrown(current, before, grown, resized);
           });
}

void DiskResize::GrowFile(Vm& vm, std::function<void(Vm&, absl::Status)> grown) {
  vm.runner->Work<ember::Done>(
      [machine = Runs(vm) || vm.record.state == state::VmState::kPaused ? vm.machine : nullptr,
       disk = vm.record.disk,
       bytes = vm.record.config.disk_bytes] { return Grow(machine, disk, bytes); },
      ledger_.Back<ember::Done>(vm, [grown = std::move(grown)](Vm& current, const auto& done) {
        grown(current, done.status());
      }));
}

void DiskResize::OnGrown(Vm& vm, uint64_t before, const absl::Status& grown, const Done& resized) {
  if (grown.ok()) {
    if (Runs(vm)) return GrowFilesystem(vm, resized);
    return resized(absl::OkStatus());
  }
  const absl::Status why =
      Annotate(grown, fmt::format("vm '{}': its disk could not be grown", vm.record.name));
  ledger_.Settle("a disk that could not be grown", [this, id = vm.record.id, before, why, resized] {
    Vm* current = vms_.FindById(id);
    if (current != nullptr) {
      ASSIGN_OR_RETURN(state::VmRecord record, ledger_.context().store.SetDiskSize(id, before));
      ledger_.Changed(*current, std::move(record));
    }
    resized(why);
    return absl::OkStatus();
  });
}

void DiskResize::GrowFilesystem(const Vm& vm, const Done& resized) {
  agent::v1::ClientFrame question;
  question.mutable_grow_filesystem()->set_disk_bytes(vm.record.config.disk_bytes);
  Sequence& host = ledger_.context().host;
  AskVm(ledger_.context().io, {vm.record.id, vm.record.name, vm.machine}, std::move(question),
        "storage", kAgentLimit,
        Reply<agent::v1::AgentFrame>([&host, resized, name = vm.record.name](auto answer) {
          absl::Status status = answer.status();
          if (!status.ok()) {
            status = WithReason(
                Annotate(status, fmt::format("vm '{}': the disk has grown, and the file system on "
                                             "it will at the next start",
                                             name)),
                "FILESYSTEM_NOT_GROWN");
          }
          host.Post([resized, status] { resized(status); });
        }));
}

void DiskResize::Recover() {
  vms_.ForEach([this](Vm& vm) {
    const bool here = IsOff(vm) || vm.machine != nullptr;
    if (!here || vm.record.disk.format.empty()) return;
    const auto size = storage::DiskSize(vm.record.disk.path, FormatOf(vm.record.disk));
    // One that is not there is host_check.h's to tell.
    if (!size.ok() || *size >= vm.record.config.disk_bytes) return;
    GrowFile(vm, [this](Vm& current, const absl::Status& grown) {
      if (grown.ok()) return;
      ledger_.context().log.Error(
          "a disk is smaller than its row says",
          {{"vm", current.record.name}, {"cause", std::string(Message(grown))}});
    });
  });
}

}  // namespace ember::daemon
