#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/images/kernel_config.h"

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

enum class KernelFormat {
  kElf,         // a vmlinux
  kBzImage,     // x86_64 only; booted as a whole where the vmlinux inside has no PVH entry
  kArm64Image,  // aarch64 only
};

// "elf", "bzImage", "arm64-image", and back (anything else is an ELF file).
std::string_view KernelFormatName(KernelFormat format);
KernelFormat KernelFormatOf(std::string_view name);

// A kernel file that this host can start, understood. A value.
struct KernelImage {
  std::string release;  // as uname -r says: "6.1.0-40-cloud-amd64"
  KernelFormat format = KernelFormat::kElf;
  bool pvh = false;                    // has the entry point of QEMU's direct boot of an ELF file
  std::optional<KernelConfig> config;  // where the kernel carries it
  std::string unpacked;                // what boots, where that is not the file as it is
};

// Understands the bytes of a kernel file. InvalidArgument, telling what was expected, when they are
// no kernel or not one that this host can start.
absl::StatusOr<KernelImage> ParseKernel(std::string_view file);

// Writes to `target` the bootable form of the kernel file `source`: a vmlinux or an arm64 Image as
// it is (also when it is compressed as a whole), the vmlinux inside a bzImage, or, where that lacks
// a PVH entry, the bzImage. Answers what it is (without `unpacked`); errors as ParseKernel, naming
// the file. `target` is made durable; after a failure it may be incomplete.
absl::StatusOr<KernelImage> ExtractKernel(const std::filesystem::path& source,
                                          const std::filesystem::path& target);

}  // namespace ember::images
