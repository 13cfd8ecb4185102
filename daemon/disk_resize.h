#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "backends/hypervisor/backend.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// Grows the root disks of VMs. The row has the new size first, the file then: what a daemon that
// was killed in between has left is made up for when the next one begins. The file system in a
// running VM is grown by its agent, else by its next boot. Lives on `host`.
class DiskResize {
 public:
  using Done = std::function<void(absl::Status)>;

  DiskResize(VmLedger& ledger, VmTable& vms) : ledger_(ledger), vms_(vms) {}

  // InvalidArgument for less than the disk has; the size that it has is no error, and grows the
  // file system that was not grown before. FailedPrecondition in a state that is neither off nor
  // running. An error with reason FILESYSTEM_NOT_GROWN: the disk is as large as was asked for, and
  // the file system on it will be at the next start.
  void Resize(Vm& vm, uint64_t bytes, Done resized);

  // Makes the file as large as the row says, of every VM that is off or runs here.
  void Recover();

 private:
  void ResizeNow(Vm& vm, uint64_t bytes, Done resized);
  absl::Status Check(const Vm& vm, uint64_t bytes) const;
  void GrowFile(Vm& vm, std::function<void(Vm&, absl::Status)> grown);
  void OnGrown(Vm& vm, uint64_t before, const absl::Status& grown, const Done& resized);
  void GrowFilesystem(const Vm& vm, const Done& resized);

  VmLedger& ledger_;
  VmTable& vms_;
};

}  // namespace ember::daemon
