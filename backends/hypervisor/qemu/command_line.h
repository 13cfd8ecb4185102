#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "backends/hypervisor/machine_spec.h"
#include "backends/hypervisor/qemu/architecture.h"

namespace ember::hypervisor {

// QEMU's names of what is plugged in, for QMP.
inline constexpr std::string_view kVsockDevice = "vsock0";
inline constexpr std::string_view kVsockChardev = "vsock-channel";
inline constexpr std::string_view kVsockPort = "vsock-port";

// Everything that decides the command line of one machine.
struct QemuCommand {
  const Architecture* architecture = nullptr;
  std::string program;
  std::filesystem::path firmware;  // empty: QEMU's own
  std::string accelerator;         // "kvm" or "tcg"
  std::filesystem::path console_log;
  int vhost_fd = -1;  // numbers in the child: our end of the vsock device's channel,
  int qmp_fd = -1;    // and the listening QMP socket
};

// The argument vector. Only values of `spec` and `command` go in; none is split or interpreted
// again by QEMU, whatever characters it has.
std::vector<std::string> QemuArguments(const QemuCommand& command, const MachineSpec& spec);

// The kernel's command line.
std::string KernelCommandLine(const Architecture& architecture, std::string_view accelerator,
                              const MachineSpec& spec);

// A value inside a comma-separated option of QEMU: commas are doubled.
std::string OptionValue(std::string_view value);

}  // namespace ember::hypervisor
