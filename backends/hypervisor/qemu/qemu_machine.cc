#include "backends/hypervisor/qemu/qemu_machine.h"

#include "backends/hypervisor/qemu/hybrid_dial.h"
#include "backends/hypervisor/qemu/live_disk.h"
#include "backends/hypervisor/tagged_kill.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

constexpr size_t kRootDisk = 0;

template <typename T>
absl::StatusOr<T> Annotate(absl::StatusOr<T> result, std::string_view prefix) {
  if (!result.ok()) return ember::Annotate(result.status(), prefix);
  return result;
}
using ember::Annotate;

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> QemuMachine::Create(EventLoop& io, const Log& log,
                                                             MachineHandle handle, Process qemu,
                                                             std::vector<Process> companions) {
  const QemuFiles files(handle.dir);
  ProcessFamily::Members members{std::move(qemu), std::move(companions), files.Sockets(),
                                 files.Logs()};
  auto lost = [log, vm = handle.vm_name](ProcessIdentity device) {
    log.Error("vsock device is gone; the guest cannot be reached until it is restarted",
              {{"vm", vm}, {"pid", fmt::to_string(device.pid)}});
  };
  ASSIGN_OR_RETURN(auto family, ProcessFamily::Watch(io, std::move(members), std::move(lost)));
  return std::unique_ptr<Machine>(new QemuMachine(io, std::move(handle), std::move(family)));
}

QemuMachine::QemuMachine(EventLoop& io, MachineHandle handle, std::unique_ptr<ProcessFamily> family)
    : io_(io), handle_(std::move(handle)), files_(handle_.dir), family_(std::move(family)) {}

void QemuMachine::Dial(uint32_t port, absl::Duration attempt, Reply<UniqueFd> reply) {
  DialHybrid(io_, files_.vsock_socket, port, attempt, std::move(reply));
}

absl::Status QemuMachine::Stop(PowerOff how, const Cancellation& cancellation) {
  if (family_->Ended()) return absl::OkStatus();
  if (how == PowerOff::kKill) {
    RETURN_IF_ERROR(family_->Kill(cancellation));
    // A vsock device that had to be killed may leave its worker for a moment.
    return KillTagged(handle_, cancellation);
  }
  const absl::Status asked = Command("system_powerdown", cancellation);
  // It ended while we asked: that is what was wanted.
  const bool ended = !asked.ok() && !Process::Open(handle_.process).ok();
  return ended ? absl::OkStatus() : asked;
}

absl::StatusOr<ExitReport> QemuMachine::WaitForExit(const Cancellation& cancellation) {
  return family_->WaitForExit(cancellation);
}

absl::Status QemuMachine::Pause(const Cancellation& cancellation) {
  return Command("stop", cancellation);
}

absl::Status QemuMachine::Resume(const Cancellation& cancellation) {
  return Command("cont", cancellation);
}

void QemuMachine::OnExit(std::function<void(ExitReport)> ended) {
  family_->OnExit(std::move(ended));
}

template <typename Work>
auto QemuMachine::Converse(Work work, const Cancellation& cancellation) const
    -> std::invoke_result_t<Work, QmpClient&> {
  const std::string prefix = fmt::format("vm '{}'", handle_.vm_name);
  if (family_->Ended()) return FailedPrecondition("{} has ended", prefix);
  auto client = QmpClient::Connect(files_.qmp_socket, cancellation);
  if (!client.ok()) return Annotate(client.status(), prefix);
  return Annotate(work(*client), prefix);
}

absl::Status QemuMachine::SwitchDisk(const DiskSpec& overlay, const Cancellation& cancellation) {
  return Converse(
      [&](QmpClient& qemu) { return PutOverDisk(qemu, kRootDisk, overlay, cancellation); },
      cancellation);
}

absl::StatusOr<std::filesystem::path> QemuMachine::ActiveDisk(const Cancellation& cancellation) {
  return Converse(
      [&](QmpClient& qemu) -> absl::StatusOr<std::filesystem::path> {
        ASSIGN_OR_RETURN(DiskInUse disk, FindDisk(qemu, kRootDisk, cancellation));
        return std::move(disk.file);
      },
      cancellation);
}

absl::Status QemuMachine::ResizeDisk(size_t position, uint64_t bytes,
                                     const Cancellation& cancellation) {
  return Converse([&](QmpClient& qemu) { return GrowDisk(qemu, position, bytes, cancellation); },
                  cancellation);
}

absl::Status QemuMachine::Command(std::string_view command,
                                  const Cancellation& cancellation) const {
  return Converse([&](QmpClient& qemu) { return qemu.Execute(command, cancellation); },
                  cancellation);
}

}  // namespace ember::hypervisor
