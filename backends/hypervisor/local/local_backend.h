#pragma once

#include <filesystem>

#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace ember::hypervisor {

// Runs the real agent as a plain child process over Unix sockets: no kernel, no isolation, no
// limits. For tests and benchmarks; the daemon refuses it without --allow-insecure-local.
// Thread-safe; `io` outlives it and its machines.
class LocalBackend final : public Backend {
 public:
  struct Options {
    std::filesystem::path emberd;  // absolute, or a name that is found in PATH
  };

  LocalBackend(Options options, EventLoop& io, Log log);

  std::string_view name() const override { return "local"; }
  const Capabilities& capabilities() const override { return capabilities_; }
  ProbeResult Probe(const Cancellation& cancellation) override;
  absl::StatusOr<std::unique_ptr<Machine>> Launch(const MachineSpec& spec,
                                                  const Cancellation& cancellation) override;
  absl::StatusOr<std::unique_ptr<Machine>> Adopt(const MachineHandle& handle,
                                                 const Cancellation& cancellation) override;
  absl::Status Reap(const MachineHandle& handle, const Cancellation& cancellation) override;

 private:
  absl::StatusOr<std::unique_ptr<Machine>> Wrap(MachineHandle handle, Process process);

  const Options options_;
  const Capabilities capabilities_;
  EventLoop& io_;
  const Log log_;
};

}  // namespace ember::hypervisor
