#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/storage/volume_store.h"
#include "base/cancellation.h"

namespace ember::storage {

// The size of a disk as the guest sees it. NotFound where there is no file.
absl::StatusOr<uint64_t> DiskSize(const std::filesystem::path& path, VolumeFormat format);

// Makes the file of a disk that nobody uses `size_bytes` large, on disk when this returns; one that
// is as large or larger stays as it is. Sparse: takes no room yet. ResourceExhausted where the file
// system has no room for what describes it. Blocks within `cancellation`.
absl::Status GrowDiskFile(const std::filesystem::path& path, VolumeFormat format,
                          uint64_t size_bytes, const Cancellation& cancellation);

}  // namespace ember::storage
