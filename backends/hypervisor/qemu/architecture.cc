#include "backends/hypervisor/qemu/architecture.h"

#include <sys/utsname.h>

#include <array>
#include <cerrno>

#include "base/status.h"

namespace ember::hypervisor {
namespace {

// Under emulation the kernel's own hardening (SMAP, SMEP) costs boot time and protects a guest from
// itself only; five-level paging costs a table walk more. `max` otherwise: images built for newer
// instruction sets run. cryptomgr.notests, noreplace-smp and nolapic_timer: docs/performance.md.
constexpr std::array<Architecture, 2> kArchitectures = {{
    {.name = "x86_64",
     .program = "qemu-system-x86_64",
     .package = "qemu-system-x86",
     .machine = "q35",
     .firmware = "qboot.rom",
     .console = "ttyS0",
     .tcg_cpu = "max,smap=off,smep=off,la57=off",
     .kvm_cpu = "host",
     .kernel_args = "quiet panic=-1 reboot=t cryptomgr.notests",
     .tcg_kernel_args = "noreplace-smp",
     .tcg_single_cpu_kernel_args = "nolapic_timer"},
    {.name = "aarch64",
     .program = "qemu-system-aarch64",
     .package = "qemu-system-arm",
     .machine = "virt",
     .firmware = "",
     .console = "ttyAMA0",
     .tcg_cpu = "max,pauth-impdef=on",
     .kvm_cpu = "host",
     .kernel_args = "quiet panic=-1 cryptomgr.notests",
     .tcg_kernel_args = "",
     .tcg_single_cpu_kernel_args = ""},
}};

}  // namespace

absl::StatusOr<const Architecture*> ArchitectureNamed(std::string_view name) {
  for (const Architecture& row : kArchitectures) {
    if (row.name == name) return &row;
  }
  return FailedPrecondition("machines cannot run on {} hosts: only x86_64 and aarch64 are known",
                            name);
}

absl::StatusOr<const Architecture*> HostArchitecture() {
  utsname names;
  if (uname(&names) != 0) return ErrnoStatus(errno, "uname");
  return ArchitectureNamed(names.machine);
}

}  // namespace ember::hypervisor
