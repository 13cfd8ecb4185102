#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/cancellation.h"

namespace ember::agent {

// Makes the mounted file system at `mount_point` as large as its disk and answers its size in
// bytes; one that is as large already is left alone. `disk_bytes`: waits first until the disk has
// this size (the kernel learns of it a moment after the hypervisor did); 0: takes the disk as it
// is. FailedPrecondition for what does not grow: another type than ext4, or read-only. Blocks
// within `cancellation`.
absl::StatusOr<uint64_t> GrowFilesystem(const std::string& mount_point, uint64_t disk_bytes,
                                        const Cancellation& cancellation);

}  // namespace ember::agent
