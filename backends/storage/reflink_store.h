#pragma once

#include "backends/storage/volume_store.h"

namespace ember::storage {

// Clones as raw files that share their blocks with the source (FICLONE, ioctl_ficlonerange(2)):
// XFS, btrfs and others, with source and clone on one filesystem. Thread-safe.
class ReflinkStore final : public VolumeStore {
 public:
  std::string_view name() const override { return "reflink"; }
  CloneKind kind() const override { return CloneKind::kReflink; }
  // FailedPrecondition where the filesystem can't.
  absl::StatusOr<Volume> Clone(const std::filesystem::path& source, const CloneTarget& target,
                               uint64_t size_bytes, const Cancellation& cancellation) override;
};

// Whether a file in `from` can be cloned into `to`, tried with a small file that is removed again.
// An error only where `to` can't be written to at all.
absl::StatusOr<bool> CanReflink(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ember::storage
