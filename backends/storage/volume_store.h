#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"

// Volumes: the disks of VMs, made as clones of an image's raw ext4 file.
namespace ember::storage {

enum class VolumeFormat { kRaw, kQcow2 };

struct Volume {
  std::filesystem::path path;
  VolumeFormat format = VolumeFormat::kRaw;
  uint64_t size_bytes = 0;  // as the guest sees it

  friend bool operator==(const Volume&, const Volume&) = default;
};

// One way to clone. Implementations: reflink_store.h (FICLONE, raw), overlay_store.h (qcow2 with a
// backing file). Thread-safe.
class VolumeStore {
 public:
  virtual ~VolumeStore() = default;

  // "reflink", "overlay": for doctor and logs.
  virtual std::string_view name() const = 0;

  // Makes `target_dir`/disk.img (or disk.qcow2) a copy-on-write clone of the raw file `source`,
  // grown to `size_bytes` (at least the source's size, else InvalidArgument); the filesystem inside
  // is grown by the guest at boot. The source must stay unchanged while a clone lives. After a
  // failure nothing is left in `target_dir`. Blocks within `cancellation`.
  virtual absl::StatusOr<Volume> Clone(const std::filesystem::path& source,
                                       const std::filesystem::path& target_dir, uint64_t size_bytes,
                                       const Cancellation& cancellation) = 0;
};

// The best store for clones of files in `images_dir` that live in `volumes_dir`: reflink where the
// filesystem can (tried with a real clone of a small file), else overlay. Never fails for lack of
// reflinks.
absl::StatusOr<std::unique_ptr<VolumeStore>> ChooseVolumeStore(
    const std::filesystem::path& images_dir, const std::filesystem::path& volumes_dir);

// Removes a volume's file. An absent one is OK.
absl::Status RemoveVolume(const Volume& volume);

}  // namespace ember::storage
