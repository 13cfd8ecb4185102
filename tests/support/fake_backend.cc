#include "tests/support/fake_backend.h"

#include <utility>

#include "backends/hypervisor/call_gate.h"
#include "base/status_macros.h"

namespace ember::testing {

struct FakeMachine::Callback {
  std::function<void(hypervisor::ExitReport)> ended;
  hypervisor::CallGate gate;
};

absl::StatusOr<std::unique_ptr<hypervisor::Machine>> FakeBackend::Launch(
    const hypervisor::MachineSpec& spec, const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(auto guest, world_.Launch(spec, cancellation));
  return std::make_unique<FakeMachine>(world_, io_, std::move(guest));
}

absl::StatusOr<std::unique_ptr<hypervisor::Machine>> FakeBackend::Adopt(
    const hypervisor::MachineHandle& handle, const Cancellation&) {
  ASSIGN_OR_RETURN(auto guest, world_.Adopt(handle));
  return std::make_unique<FakeMachine>(world_, io_, std::move(guest));
}

FakeMachine::~FakeMachine() {
  world_.Unwatch(guest_, this);
  if (callback_ == nullptr) return;
  callback_->gate.Close(io_.IsCurrent() ? hypervisor::CallGate::From::kCallingThread
                                        : hypervisor::CallGate::From::kElsewhere);
}

void FakeMachine::Dial(uint32_t port, absl::Duration, Reply<UniqueFd> reply) {
  world_.Dial(guest_, port, io_, std::move(reply));
}

absl::Status FakeMachine::Stop(hypervisor::PowerOff how, const Cancellation& cancellation) {
  return world_.Stop(guest_, how, cancellation);
}

absl::StatusOr<hypervisor::ExitReport> FakeMachine::WaitForExit(const Cancellation& cancellation) {
  RETURN_IF_ERROR(cancellation.WaitReadable(guest_->ended.get(), "the end of the machine"));
  return *world_.EndOf(guest_);
}

absl::Status FakeMachine::SwitchDisk(const hypervisor::DiskSpec& overlay, const Cancellation&) {
  return world_.SwitchDisk(guest_, overlay);
}

absl::StatusOr<std::filesystem::path> FakeMachine::ActiveDisk(const Cancellation&) {
  return world_.ActiveDisk(guest_);
}

absl::Status FakeMachine::ResizeDisk(size_t position, uint64_t bytes, const Cancellation&) {
  return world_.ResizeDisk(guest_, position, bytes);
}

void FakeMachine::OnExit(std::function<void(hypervisor::ExitReport)> ended) {
  callback_ = std::make_shared<Callback>();
  callback_->ended = std::move(ended);
  world_.Watch(guest_, this, io_, [callback = callback_](hypervisor::ExitReport report) {
    callback->gate.Enter([&] { callback->ended(std::move(report)); });
  });
}

}  // namespace ember::testing
