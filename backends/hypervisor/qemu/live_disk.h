#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/hypervisor/machine_spec.h"
#include "backends/hypervisor/qemu/qmp_client.h"
#include "base/cancellation.h"

// What is done to the disks of a machine while it runs. Each blocks within `cancellation`.
namespace ember::hypervisor {

// The node that a device of the guest writes to, as QEMU tells it.
struct DiskInUse {
  std::string node;
  std::filesystem::path file;
  uint64_t bytes = 0;  // as the guest sees it

  friend bool operator==(const DiskInUse&, const DiskInUse&) = default;
};

// The disk at `position` of MachineSpec::disks. NotFound when the machine has none there.
absl::StatusOr<DiskInUse> FindDisk(QmpClient& qemu, size_t position,
                                   const Cancellation& cancellation);

// Machine::SwitchDisk of the disk at `position`.
absl::Status PutOverDisk(QmpClient& qemu, size_t position, const DiskSpec& overlay,
                         const Cancellation& cancellation);

// Machine::ResizeDisk.
absl::Status GrowDisk(QmpClient& qemu, size_t position, uint64_t bytes,
                      const Cancellation& cancellation);

}  // namespace ember::hypervisor
