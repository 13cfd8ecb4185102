#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "backends/hypervisor/machine_spec.h"
#include "backends/hypervisor/newborn.h"
#include "base/unique_fd.h"

namespace ember::hypervisor {

// The files of a QEMU machine in its directory.
struct QemuFiles {
  explicit QemuFiles(const std::filesystem::path& dir);

  std::filesystem::path vsock_socket;  // hybrid vsock
  std::filesystem::path qmp_socket;
  std::filesystem::path console_log;  // the guest's serial port; appended to
  std::filesystem::path qemu_log;     // standard error of QEMU
  std::filesystem::path device_log;   // and of the vsock device

  std::vector<std::filesystem::path> Sockets() const { return {vsock_socket, qmp_socket}; }
  std::vector<std::filesystem::path> Logs() const { return {qemu_log, device_log}; }
};

// A vsock device that has been started, and the end of its channel that QEMU gets.
struct VsockDevice {
  Newborn process;
  UniqueFd channel;
};

// Starts `program` (ember-vsock-device) for the machine of `handle`, listening at its
// vsock_socket. After a failure no process and no socket file is left.
absl::StatusOr<VsockDevice> StartVsockDevice(const std::filesystem::path& program,
                                             const MachineHandle& handle);

}  // namespace ember::hypervisor
