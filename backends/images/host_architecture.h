#pragma once

#include <cstdint>
#include <string_view>

namespace ember::images {

// What differs between the machines that Ember runs on, as far as images and kernels go.
struct HostArchitecture {
  std::string_view machine;         // as uname -m says
  std::string_view debian;          // Debian's word for it
  std::string_view kernel_package;  // the meta package that depends on Debian's cloud kernel
  uint16_t elf_machine;             // e_machine of the ELF specification
  bool needs_pvh;                   // QEMU starts the kernel's ELF file by its PVH note
};

// The row of the architecture that this program was built for.
const HostArchitecture& ThisArchitecture();

}  // namespace ember::images
