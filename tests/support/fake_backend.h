#pragma once

#include <memory>

#include "tests/support/fake_world.h"

namespace ember::testing {

// A hypervisor of one daemon on a fake world. It borrows the world and the loop.
class FakeBackend final : public hypervisor::Backend {
 public:
  FakeBackend(FakeWorld& world, EventLoop& io, hypervisor::Capabilities capabilities)
      : world_(world), io_(io), capabilities_(capabilities) {}

  std::string_view name() const override { return "fake"; }
  const hypervisor::Capabilities& capabilities() const override { return capabilities_; }
  hypervisor::ProbeResult Probe(const Cancellation&) override { return {true, "none", "", ""}; }
  absl::StatusOr<std::unique_ptr<hypervisor::Machine>> Launch(
      const hypervisor::MachineSpec& spec, const Cancellation& cancellation) override;
  absl::StatusOr<std::unique_ptr<hypervisor::Machine>> Adopt(
      const hypervisor::MachineHandle& handle, const Cancellation& cancellation) override;
  absl::Status Reap(const hypervisor::MachineHandle& handle, const Cancellation&) override {
    return world_.Reap(handle.machine_id);
  }

 private:
  FakeWorld& world_;
  EventLoop& io_;
  const hypervisor::Capabilities capabilities_;
};

// One daemon's hold on a fake guest.
class FakeMachine final : public hypervisor::Machine {
 public:
  FakeMachine(FakeWorld& world, EventLoop& io, std::shared_ptr<FakeGuest> guest)
      : world_(world), io_(io), guest_(std::move(guest)) {}
  ~FakeMachine() override;

  const hypervisor::MachineHandle& handle() const override { return guest_->handle; }
  void Dial(uint32_t port, absl::Duration attempt, Reply<UniqueFd> reply) override;
  absl::Status Stop(hypervisor::PowerOff how, const Cancellation& cancellation) override;
  absl::StatusOr<hypervisor::ExitReport> WaitForExit(const Cancellation& cancellation) override;
  absl::Status Pause(const Cancellation&) override { return absl::OkStatus(); }
  absl::Status Resume(const Cancellation&) override { return absl::OkStatus(); }
  absl::Status SwitchDisk(const hypervisor::DiskSpec& overlay,
                          const Cancellation& cancellation) override;
  absl::StatusOr<std::filesystem::path> ActiveDisk(const Cancellation& cancellation) override;
  absl::Status ResizeDisk(size_t position, uint64_t bytes,
                          const Cancellation& cancellation) override;
  void OnExit(std::function<void(hypervisor::ExitReport)> ended) override;

 private:
  // Lets the loop call what was asked for only while the machine lives.
  struct Callback;

  FakeWorld& world_;
  EventLoop& io_;
  const std::shared_ptr<FakeGuest> guest_;
  std::shared_ptr<Callback> callback_;
};

}  // namespace ember::testing
