#pragma once

#include "backends/storage/volume_store.h"

namespace ember::storage {

// Clones as qcow2 files with the source as their backing file: works on every filesystem, for
// backends that read qcow2. The clone names the source by its absolute path. Thread-safe.
class OverlayStore final : public VolumeStore {
 public:
  std::string_view name() const override { return "overlay"; }
  CloneKind kind() const override { return CloneKind::kOverlay; }
  absl::StatusOr<Volume> Clone(const std::filesystem::path& source, const CloneTarget& target,
                               uint64_t size_bytes, const Cancellation& cancellation) override;
};

}  // namespace ember::storage
