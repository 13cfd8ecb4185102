#pragma once

#include <memory>

#include "backends/hypervisor/backend.h"
#include "backends/hypervisor/process_family.h"
#include "base/event_loop.h"

namespace ember::hypervisor {

// The sockets of a local machine in its directory: the agent's ports 1024 and 1025.
std::vector<std::filesystem::path> LocalSockets(const std::filesystem::path& dir);

// An agent that runs as a plain child process. Thread-safe; `io` outlives it.
class LocalMachine final : public Machine {
 public:
  LocalMachine(EventLoop& io, MachineHandle handle, std::unique_ptr<ProcessFamily> family);

  const MachineHandle& handle() const override { return handle_; }
  void Dial(uint32_t port, absl::Duration attempt, Reply<UniqueFd> reply) override;
  // kPolite is SIGTERM.
  absl::Status Stop(PowerOff how, const Cancellation& cancellation) override;
  absl::StatusOr<ExitReport> WaitForExit(const Cancellation& cancellation) override;
  // SIGSTOP and SIGCONT to the agent; what it has started goes on.
  absl::Status Pause(const Cancellation& cancellation) override;
  absl::Status Resume(const Cancellation& cancellation) override;
  // There is no disk: never asked for, since Capabilities::live_disks is false.
  absl::Status SwitchDisk(const DiskSpec& overlay, const Cancellation& cancellation) override;
  absl::StatusOr<std::filesystem::path> ActiveDisk(const Cancellation& cancellation) override;
  absl::Status ResizeDisk(size_t position, uint64_t bytes,
                          const Cancellation& cancellation) override;
  void OnExit(std::function<void(ExitReport)> ended) override;

 private:
  absl::Status Signal(int signal) const;

  EventLoop& io_;
  const MachineHandle handle_;
  const std::unique_ptr<ProcessFamily> family_;
};

}  // namespace ember::hypervisor
