#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/daemon/host_context.h"

namespace ember::daemon {

// A host with an image and a kernel, whose VMs have disks that can be forked.
class ForkContext : public HostContext {
 public:
  enum class Disks { kRaw, kOverlays };
  static constexpr uint64_t kDisk = uint64_t{64} << 20;

  explicit ForkContext(Disks disks = Disks::kOverlays);
  // On a file system of the test's own, with what that can do.
  explicit ForkContext(const std::filesystem::path& state_dir);

  // VMs of 64 MiB of disk, not started unless said so.
  VmView MakeSource(std::string name = "source", uint64_t disk_bytes = kDisk);

  static ForkVmSpec ForkSpec(std::string source, std::string name);
  Awaited<ForkedVm> BeginFork(ForkVmSpec spec, Cancellation cancellation = {});
  absl::StatusOr<ForkedVm> Fork(ForkVmSpec spec, Cancellation cancellation = {});
  // Without a first start.
  absl::StatusOr<ForkedVm> Fork(std::string source, std::string name) {
    return Fork(ForkSpec(std::move(source), std::move(name)));
  }

  absl::StatusOr<SnapshotView> Snapshot(std::string vm, std::string name);
  // Their names, separated by blanks.
  std::string Snapshots(std::string vm = "");
  absl::StatusOr<VmView> Restore(std::string vm, std::string name);
  absl::Status DeleteSnapshot(std::string vm, std::string name);

  // What a guest would: changes and reads a MiB of a VM's disk, by QEMU's own tools.
  void Write(std::string_view vm, char byte, uint64_t mib);
  bool Reads(std::string_view vm, char byte, uint64_t mib);

  // Names of files below layers/, and of disks and snapshots in the VM's directory.
  std::set<std::string> LayerFiles() const;
  std::set<std::string> DiskFiles(std::string_view vm) const;
  uint32_t DepthOf(std::string_view vm);
  // Rows and files of disks and layers say the same, and the host finds nothing wrong.
  void CheckSound();

 private:
  std::vector<std::string> QemuIo(std::string_view vm, const std::string& command);
};

}  // namespace ember::daemon
