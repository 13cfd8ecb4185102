#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "backends/hypervisor/backend.h"
#include "backends/hypervisor/qemu/acceleration.h"
#include "backends/hypervisor/qemu/architecture.h"
#include "backends/hypervisor/qemu/vsock_device.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace ember::hypervisor {

// Machines in stock QEMU: KVM where it works, else emulation; vsock by ember-vsock-device, so
// neither root nor a kernel module is needed. Thread-safe; `io` outlives it and its machines.
class QemuBackend final : public Backend {
 public:
  struct Options {
    std::filesystem::path qemu;              // empty: qemu-system-<architecture> in PATH
    std::filesystem::path firmware;          // empty: searched for in the usual places
    std::filesystem::path vsock_device;      // empty: ember-vsock-device in PATH
    std::filesystem::path cache_dir;         // keeps the verdict on KVM; empty: tested each time
    std::optional<std::string> accelerator;  // "kvm" or "tcg": used without a test
    // The kernel to try KVM with, asked at each Probe; may be null or answer an empty path. A
    // launch tries with its own kernel when there is no verdict yet.
    std::function<std::filesystem::path()> probe_kernel;
  };

  QemuBackend(Options options, EventLoop& io, Log log);

  std::string_view name() const override { return "qemu"; }
  const Capabilities& capabilities() const override { return capabilities_; }
  ProbeResult Probe(const Cancellation& cancellation) override;
  absl::StatusOr<std::unique_ptr<Machine>> Launch(const MachineSpec& spec,
                                                  const Cancellation& cancellation) override;
  // A vsock device that is gone does not hinder: the guest runs on without being reachable.
  absl::StatusOr<std::unique_ptr<Machine>> Adopt(const MachineHandle& handle,
                                                 const Cancellation& cancellation) override;
  absl::Status Reap(const MachineHandle& handle, const Cancellation& cancellation) override;

 private:
  // The programs a machine needs, found anew each time: they may be installed while we run.
  struct Installation {
    const Architecture* architecture = nullptr;
    std::filesystem::path qemu;
    std::filesystem::path firmware;
    std::filesystem::path vsock_device;
  };
  absl::StatusOr<Installation> FindInstallation() const;
  Acceleration Accelerate(const Installation& installation, const std::filesystem::path& kernel,
                          const Cancellation& cancellation) const;
  absl::StatusOr<Newborn> StartQemu(const Installation& installation, const MachineSpec& spec,
                                    const MachineHandle& handle, const UniqueFd& channel) const;

  const Options options_;
  const Capabilities capabilities_;
  EventLoop& io_;
  const Log log_;
};

}  // namespace ember::hypervisor
