#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/storage/usage.h"
#include "base/cancellation.h"

namespace ember::daemon {

// Something that takes space: "vm", "image", "snapshot", "volume", "layer" or "kernel".
struct StorageItem {
  std::string kind;
  std::string name;
  std::optional<uint64_t> provisioned_bytes;  // as a guest sees it
  storage::FileSet files;
  storage::Usage usage = {};  // filled in by MeasureStorage
};

struct StorageReport {
  std::filesystem::path path;  // of the pool: the state directory
  std::optional<storage::PoolUsage> pool;
  std::vector<StorageItem> items;
};

// Reads what every item and the filesystem below `state_dir` take. What can't be read is left out.
// Blocks within `cancellation`: data that is still to be written is written first.
absl::StatusOr<StorageReport> MeasureStorage(const std::filesystem::path& state_dir,
                                             std::vector<StorageItem> items,
                                             const Cancellation& cancellation);

}  // namespace ember::daemon
