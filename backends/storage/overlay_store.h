#pragma once

#include "backends/storage/volume_store.h"

namespace ember::storage {

// Clones as qcow2 files with the source as their backing file, made by qemu-img: works on every
// filesystem. The clone names the source by its absolute path. Thread-safe.
class OverlayStore final : public VolumeStore {
 public:
  std::string_view name() const override { return "overlay"; }
  // NotFound with a hint where qemu-img is not installed.
  absl::StatusOr<Volume> Clone(const std::filesystem::path& source,
                               const std::filesystem::path& target_dir, uint64_t size_bytes,
                               const Cancellation& cancellation) override;
};

}  // namespace ember::storage
