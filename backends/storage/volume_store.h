#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"

// Volumes: the disks of VMs, made as clones of a raw file, which is an image or another VM's disk.
namespace ember::storage {

enum class VolumeFormat { kRaw, kQcow2 };

// "raw", "qcow2": the words of qemu-img and of the database.
std::string_view VolumeFormatName(VolumeFormat format);
// The reverse; every other word is raw.
VolumeFormat ParseVolumeFormat(std::string_view word);

struct Volume {
  std::filesystem::path path;
  VolumeFormat format = VolumeFormat::kRaw;
  uint64_t size_bytes = 0;  // as the guest sees it

  friend bool operator==(const Volume&, const Volume&) = default;
};

// Where a clone goes: `dir`/`stem`.img or .qcow2, which must not exist.
struct CloneTarget {
  std::filesystem::path dir;
  std::string stem = "disk";
};

// How a clone stands to what it was cloned from.
enum class CloneKind {
  kReflink,  // shares its blocks, and needs it no more
  kOverlay,  // lies over it: it must stay as it is while the clone lives
  kCopy,     // shares nothing: takes the time and the space of all of it
};

// One way to clone. Implementations: reflink_store.h (FICLONE, raw), overlay_store.h (qcow2 with a
// backing file), copy_store.h (raw, all of it). Thread-safe.
class VolumeStore {
 public:
  virtual ~VolumeStore() = default;

  // "reflink", "overlay", "copy": for doctor and logs.
  virtual std::string_view name() const = 0;
  virtual CloneKind kind() const = 0;

  // Makes `target` a clone of the raw file `source`, grown to `size_bytes` (at least the source's
  // size, else InvalidArgument); the filesystem inside is grown by the guest at boot. What is
  // written to the source before the call is in the clone, which is on disk when this returns.
  // After a failure nothing is left in the target's directory. Blocks within `cancellation`.
  virtual absl::StatusOr<Volume> Clone(const std::filesystem::path& source,
                                       const CloneTarget& target, uint64_t size_bytes,
                                       const Cancellation& cancellation) = 0;
};

// What the backend that will use a clone can read.
enum class DiskFormats { kRawAndQcow2, kRawOnly };

struct StoreChoice {
  DiskFormats formats = DiskFormats::kRawAndQcow2;
  std::function<void()> on_first_copy = {};  // see CopyStore; for a warning
};

// The best store for clones of files in `images_dir` that live in `volumes_dir`: reflink where the
// filesystem can (tried with a real clone of a small file), else overlay where the backend reads
// qcow2, else copy. Never fails for lack of reflinks.
absl::StatusOr<std::unique_ptr<VolumeStore>> ChooseVolumeStore(
    const std::filesystem::path& images_dir, const std::filesystem::path& volumes_dir,
    StoreChoice choice = {});

// Removes a volume's file. An absent one is OK.
absl::Status RemoveVolume(const Volume& volume);

}  // namespace ember::storage
