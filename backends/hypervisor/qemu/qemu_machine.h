#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "backends/hypervisor/backend.h"
#include "backends/hypervisor/process_family.h"
#include "backends/hypervisor/qemu/qmp_client.h"
#include "backends/hypervisor/qemu/vsock_device.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace ember::hypervisor {

// A guest in QEMU with its vsock device. Thread-safe; `io` outlives it.
class QemuMachine final : public Machine {
 public:
  // Takes hold of running processes. Fails as ProcessFamily::Watch.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(EventLoop& io, const Log& log,
                                                         MachineHandle handle, Process qemu,
                                                         std::vector<Process> companions);

  const MachineHandle& handle() const override { return handle_; }
  void Dial(uint32_t port, absl::Duration attempt, Reply<UniqueFd> reply) override;
  absl::Status Stop(PowerOff how, const Cancellation& cancellation) override;
  absl::StatusOr<ExitReport> WaitForExit(const Cancellation& cancellation) override;
  absl::Status Pause(const Cancellation& cancellation) override;
  absl::Status Resume(const Cancellation& cancellation) override;
  absl::Status SwitchDisk(const DiskSpec& overlay, const Cancellation& cancellation) override;
  absl::StatusOr<std::filesystem::path> ActiveDisk(const Cancellation& cancellation) override;
  absl::Status ResizeDisk(size_t position, uint64_t bytes,
                          const Cancellation& cancellation) override;
  void OnExit(std::function<void(ExitReport)> ended) override;

 private:
  QemuMachine(EventLoop& io, MachineHandle handle, std::unique_ptr<ProcessFamily> family);
  // Runs `work` on a conversation with QEMU's control socket; errors name the VM.
  template <typename Work>
  auto Converse(Work work, const Cancellation& cancellation) const
      -> std::invoke_result_t<Work, QmpClient&>;
  absl::Status Command(std::string_view command, const Cancellation& cancellation) const;

  EventLoop& io_;
  const MachineHandle handle_;
  const QemuFiles files_;
  const std::unique_ptr<ProcessFamily> family_;
};

}  // namespace ember::hypervisor
