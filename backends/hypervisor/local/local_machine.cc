#include "backends/hypervisor/local/local_machine.h"

#include <signal.h>

#include "backends/hypervisor/tagged_kill.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

constexpr uint32_t kJsonPort = 1024;

std::filesystem::path SocketOf(const std::filesystem::path& dir, uint32_t port) {
  // emberd --uds P serves port 1024 at P and every other port N at P_N.
  if (port == kJsonPort) return dir / "agent.sock";
  return dir / fmt::format("agent.sock_{}", port);
}

absl::StatusOr<UniqueFd> ConnectAgent(const std::filesystem::path& socket, uint32_t port) {
  auto fd = ConnectUnix(socket);
  if (fd.ok()) return fd;
  if (absl::IsNotFound(fd.status()) || absl::IsUnavailable(fd.status())) {
    return Unavailable("nobody listens on guest port {}", port);
  }
  return fd.status();
}

absl::Status NoDisk() { return Internal("a local machine has no disk"); }

}  // namespace

std::vector<std::filesystem::path> LocalSockets(const std::filesystem::path& dir) {
  return {SocketOf(dir, kJsonPort), SocketOf(dir, 1025)};
}

LocalMachine::LocalMachine(EventLoop& io, MachineHandle handle,
                           std::unique_ptr<ProcessFamily> family)
    : io_(io), handle_(std::move(handle)), family_(std::move(family)) {}

void LocalMachine::Dial(uint32_t port, absl::Duration, Reply<UniqueFd> reply) {
  // Connecting to a Unix socket takes no time, so the limit of the attempt is never reached.
  io_.Post([socket = SocketOf(handle_.dir, port), port, reply = std::move(reply)]() mutable {
    reply(ConnectAgent(socket, port));
  });
}

absl::Status LocalMachine::Signal(int signal) const {
  auto process = Process::Open(handle_.process);
  if (absl::IsNotFound(process.status())) return absl::OkStatus();
  RETURN_IF_ERROR(process.status());
  return process->Signal(signal);
}

absl::Status LocalMachine::Stop(PowerOff how, const Cancellation& cancellation) {
  if (how == PowerOff::kPolite) return Signal(SIGTERM);
  RETURN_IF_ERROR(family_->Kill(cancellation));
  // Nothing contains what the agent has started: it is found by the tags it inherited.
  return KillTagged(handle_, cancellation);
}

absl::StatusOr<ExitReport> LocalMachine::WaitForExit(const Cancellation& cancellation) {
  return family_->WaitForExit(cancellation);
}

absl::Status LocalMachine::Pause(const Cancellation&) {
  if (family_->Ended()) return FailedPrecondition("vm '{}' has ended", handle_.vm_name);
  return Signal(SIGSTOP);
}

absl::Status LocalMachine::Resume(const Cancellation&) {
  if (family_->Ended()) return FailedPrecondition("vm '{}' has ended", handle_.vm_name);
  return Signal(SIGCONT);
}

absl::Status LocalMachine::SwitchDisk(const DiskSpec&, const Cancellation&) { return NoDisk(); }

absl::StatusOr<std::filesystem::path> LocalMachine::ActiveDisk(const Cancellation&) {
  return NoDisk();
}

absl::Status LocalMachine::ResizeDisk(size_t, uint64_t, const Cancellation&) { return NoDisk(); }

void LocalMachine::OnExit(std::function<void(ExitReport)> ended) {
  family_->OnExit(std::move(ended));
}

}  // namespace ember::hypervisor
