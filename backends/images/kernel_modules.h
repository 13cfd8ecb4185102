#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::images {

// One module as the kernel loads it.
struct KernelModule {
  std::string name;     // with '_' for '-', as /proc/modules shows it
  std::string content;  // the ELF file, not compressed

  friend bool operator==(const KernelModule&, const KernelModule&) = default;
};

// What CollectModules has found.
struct CollectedModules {
  std::vector<KernelModule> modules;  // in load order
  std::set<std::string> builtin;      // names, from modules.builtin
  bool builtin_known = false;         // there is a modules.builtin
  std::string release;                // of the kernel they are for; empty: they don't say
};

// What a VM needs until its root filesystem is mounted and its agent can be reached, out of a
// lib/modules/<version> folder: virtio transports, disk, vsock, network, entropy and ext4, each
// unless it is not there, and what they depend on. In load order: a module comes after those it
// depends on (read from the modules themselves, so that depmod need not have run).
// FailedPrecondition when the folder holds nothing of the kind, or a module depends on one that is
// missing.
absl::StatusOr<CollectedModules> CollectModules(const std::filesystem::path& modules_dir);

// What a module says of itself (its ELF file's .modinfo section).
struct ModuleFacts {
  std::vector<std::string> depends;
  std::string release;  // of the kernel it is for; empty: it does not say
};
// InvalidArgument when it is no module.
absl::StatusOr<ModuleFacts> ReadModuleFacts(std::string_view module);

}  // namespace ember::images
