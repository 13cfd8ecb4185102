#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::images {

// One module as the kernel loads it.
struct KernelModule {
  std::string name;     // with '_' for '-', as /proc/modules shows it
  std::string content;  // the ELF file, not compressed

  friend bool operator==(const KernelModule&, const KernelModule&) = default;
};

// What a VM needs until its root filesystem is mounted and its agent can be reached, out of a
// lib/modules/<version> folder: virtio transports, disk, vsock, network, entropy and ext4, each
// unless it is built in, and what they depend on. In load order: a module comes after those it
// depends on (read from the modules themselves, so that depmod need not have run).
// FailedPrecondition when the disk, vsock or ext4 driver is neither there nor built in: no VM could
// use such a kernel.
absl::StatusOr<std::vector<KernelModule>> CollectModules(const std::filesystem::path& modules_dir);

}  // namespace ember::images
