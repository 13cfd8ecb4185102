#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace ember::hypervisor {

// What differs between host architectures. The aarch64 row follows QEMU's documentation of `virt`
// and has not been run yet.
struct Architecture {
  std::string_view name;             // as uname(2) calls it
  std::string_view program;          // QEMU's
  std::string_view package;          // Debian's, that holds the program
  std::string_view machine;          // -machine
  std::string_view firmware;         // file name of the fast firmware; empty: none is used
  std::string_view console;          // the kernel's name of the serial port
  std::string_view tcg_cpu;          // -cpu under emulation
  std::string_view kvm_cpu;          // -cpu under KVM
  std::string_view kernel_args;      // always
  std::string_view tcg_kernel_args;  // under emulation only: they trade what is cheap on hardware
  // The same with one CPU only: several need their local timers.
  std::string_view tcg_single_cpu_kernel_args;
};

// The row of `name`. FailedPrecondition for an architecture that machines can't run on.
absl::StatusOr<const Architecture*> ArchitectureNamed(std::string_view name);

// The host's own row.
absl::StatusOr<const Architecture*> HostArchitecture();

}  // namespace ember::hypervisor
