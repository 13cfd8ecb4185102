#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

// Kernel files, as QEMU and Firecracker start them: on x86_64 the uncompressed vmlinux (an ELF file
// with a PVH note), on aarch64 the flat Image.
//
// Distributions ship a *bzImage*: a boot sector and setup code, then a small decompressor that
// carries the vmlinux as a compressed payload. Its header (Documentation/arch/x86/boot.rst of the
// kernel) tells where that is:
//   0x1f1 setup_sects     1 byte   512-byte sectors of setup code after the boot sector (0 means 4)
//   0x202 magic "HdrS"    4 bytes
//   0x206 version         2 bytes  at least 0x208 for the next two
//   0x20e kernel_version  2 bytes  offset of the version string, less 0x200
//   0x248 payload_offset  4 bytes  from the end of the setup code
//   0x24c payload_length  4 bytes  the last 4 of which are the uncompressed size
namespace ember::images {

struct KernelVersion {
  std::string release;  // as uname -r says: "6.1.0-40-cloud-amd64"
};

// Writes to `target` the bootable form of the kernel file `source`: a vmlinux or an arm64 Image as
// it is (also when it is compressed as a whole), or the vmlinux inside a bzImage. Answers the
// kernel's version. InvalidArgument, naming the file and what was expected, when it is no kernel or
// not one that this host can start. `target` is made durable; after a failure it may be incomplete.
absl::StatusOr<KernelVersion> ExtractKernel(const std::filesystem::path& source,
                                            const std::filesystem::path& target);

}  // namespace ember::images
