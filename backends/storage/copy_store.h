#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "backends/storage/volume_store.h"

namespace ember::storage {

// Clones as full copies, raw: for backends that read no qcow2, where the filesystem can't share
// blocks. Holes stay holes. Takes the time and the space of what the source holds. Thread-safe.
class CopyStore final : public VolumeStore {
 public:
  // `on_first_copy` is called once, at the first clone, on the thread that asks for it.
  explicit CopyStore(std::function<void()> on_first_copy = {})
      : on_first_copy_(std::move(on_first_copy)) {}

  std::string_view name() const override { return "copy"; }
  CloneKind kind() const override { return CloneKind::kCopy; }
  // A cancellation is heeded every few MiB.
  absl::StatusOr<Volume> Clone(const std::filesystem::path& source, const CloneTarget& target,
                               uint64_t size_bytes, const Cancellation& cancellation) override;

 private:
  const std::function<void()> on_first_copy_;
  std::atomic_flag copied_;
};

// Copies the bytes of `from` to the same places of the empty file `to`, leaving out its holes
// (SEEK_DATA of lseek(2)), within the kernel where it can (copy_file_range(2)). `name` is for
// errors. ResourceExhausted on a full disk, DataLoss when the source becomes shorter meanwhile.
absl::Status CopySparsely(int from, int to, std::string_view name,
                          const Cancellation& cancellation);

}  // namespace ember::storage
