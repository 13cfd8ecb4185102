#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/images/kernel_drivers.h"
#include "backends/images/kernel_image.h"
#include "backends/images/kernel_modules.h"

// The folder of one kernel in the kernel store: what is in which file.
namespace ember::images {

// Names of the files in the folder.
inline constexpr char kVmlinuxFile[] = "vmlinux";
inline constexpr char kInitramfsFile[] = "initramfs.cpio";

// Which emberd an initramfs carries. The digest decides; size and time spare reading the program
// when nothing has changed.
struct AgentStamp {
  std::string digest;
  int64_t size_bytes = 0;
  int64_t modified_ns = 0;  // since the epoch

  friend bool operator==(const AgentStamp&, const AgentStamp&) = default;
};

// kernel.json.
struct KernelDescription {
  std::string version;
  std::string source;
  absl::Time created_at;
  AgentStamp agent;
  KernelFormat format = KernelFormat::kElf;
  bool pvh = false;
  std::vector<KernelDriver> drivers;

  friend bool operator==(const KernelDescription&, const KernelDescription&) = default;
};

absl::StatusOr<KernelDescription> ReadKernelDescription(const std::filesystem::path& entry);
absl::Status WriteKernelDescription(const std::filesystem::path& entry,
                                    const KernelDescription& description);

// Stores modules in `<entry>/modules` and reads them back in load order.
absl::Status WriteModules(const std::filesystem::path& entry,
                          const std::vector<KernelModule>& modules);
absl::StatusOr<std::vector<KernelModule>> ReadModules(const std::filesystem::path& entry);

// Builds `<entry>/initramfs.cpio` from the agent and the stored modules, replacing the one there in
// one step, and answers which agent went in.
absl::StatusOr<AgentStamp> WriteInitramfs(const std::filesystem::path& entry,
                                          const std::filesystem::path& agent);

// Size and time of the agent now; no digest. NotFound, with what to do, when it is missing.
absl::StatusOr<AgentStamp> StampAgent(const std::filesystem::path& agent);

}  // namespace ember::images
