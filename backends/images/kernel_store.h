#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/images/kernel_drivers.h"
#include "backends/images/kernel_entry.h"
#include "backends/images/kernel_source.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// A kernel that VMs can start with.
struct KernelRecord {
  std::string name;
  std::string version;              // as uname -r says
  std::filesystem::path vmlinux;    // what the hypervisor loads
  std::filesystem::path initramfs;  // the ember initramfs made for it
  bool is_default = false;          // used by a VM that names no kernel
  absl::Time created_at;
  std::string source;  // "debian:<package>=<version>", "host:<release>", "file:<path>", "url:<url>"
  bool pvh = false;    // has the entry point of QEMU's direct boot
  std::vector<KernelDriver> drivers;
  std::vector<std::string> missing;  // one line for each backend that can't boot it, and why

  friend bool operator==(const KernelRecord&, const KernelRecord&) = default;
};

// The kernels of one state directory, each with the initramfs that carries emberd and its modules:
//   <dir>/<name>/{vmlinux,initramfs.cpio,kernel.json,modules/{order,*.ko}}
//   <dir>/default    the name of the default kernel
// A kernel appears when it is complete. Thread-safe: it holds no state but the folder, which it
// changes by renames; one process at a time owns the folder.
class KernelStore {
 public:
  // Makes `dir` if needed and removes what interrupted work has left in it. `agent` is the emberd
  // program that every initramfs carries; it need not exist yet.
  static absl::StatusOr<std::unique_ptr<KernelStore>> Open(std::filesystem::path dir,
                                                           std::filesystem::path agent);

  // Fetches or reads a kernel, takes out of it what boots, collects its modules and builds the
  // initramfs; the first kernel becomes the default. AlreadyExists when the name is taken,
  // InvalidArgument when the file is no kernel for this host, FailedPrecondition when it lacks what
  // every VM needs or the modules are another kernel's. After a failure nothing is left. Blocks.
  absl::StatusOr<KernelRecord> Add(const KernelSource& source, const ProgressSink& sink,
                                   const Cancellation& cancellation);

  // All complete kernels, by name.
  absl::StatusOr<std::vector<KernelRecord>> List() const;

  // NotFound says how to list and add kernels. The initramfs is rebuilt first if it carries another
  // emberd than the one installed now, so call this (or Default) before each launch.
  absl::StatusOr<KernelRecord> Get(std::string_view name) const;

  // The default kernel, as Get. NotFound when there is no kernel at all.
  absl::StatusOr<KernelRecord> Default() const;

  // Makes a kernel the one that VMs start with which name none. NotFound as Get.
  absl::StatusOr<KernelRecord> SetDefault(std::string_view name);

  // Removes a kernel; the oldest one left becomes the default if this was it.
  absl::Status Delete(std::string_view name);

 private:
  KernelStore(std::filesystem::path dir, std::filesystem::path agent)
      : dir_(std::move(dir)), agent_(std::move(agent)) {}

  // Makes the files of an entry.
  absl::StatusOr<KernelDescription> Fill(const std::filesystem::path& entry,
                                         const KernelFiles& files, const ProgressSink& sink) const;
  absl::Status WriteDefault(std::string_view name);
  absl::StatusOr<KernelRecord> Read(std::string_view name) const;
  absl::Status Refresh(std::string_view name) const;
  std::string DefaultName(const std::vector<KernelRecord>& kernels) const;

  const std::filesystem::path dir_;
  const std::filesystem::path agent_;
};

}  // namespace ember::images
