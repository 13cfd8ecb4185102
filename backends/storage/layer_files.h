#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/storage/volume_store.h"
#include "base/cancellation.h"

namespace ember::storage {

// The name of a VM's next disk file, without its ending, from a UUID: "disk-" and its random end.
std::string UniqueDiskStem(std::string_view uuid);

// The files of disk layers, `<dir>/<id>.qcow2` or `.img`: what several disks lie over and nobody
// writes any more. Which of them there are is the database's to say; what it does not know may be
// removed. A value; thread-safe.
class LayerFiles {
 public:
  LayerFiles() = default;
  explicit LayerFiles(std::filesystem::path dir) : dir_(std::move(dir)) {}

  std::filesystem::path PathOf(std::string_view id, VolumeFormat format) const;
  // The id of the layer whose file this is; empty for any other path.
  std::string IdOf(const std::filesystem::path& path) const;

  // Makes the disk `top` the layer `id` too: one file with two names from now on (a hard link), so
  // that a machine which has it open goes on with it. On disk when this returns.
  absl::StatusOr<Volume> Link(const Volume& top, std::string_view id) const;
  // An empty overlay over the layer `id`, whose format is "raw" or "qcow2".
  absl::StatusOr<Volume> Overlay(std::string_view id, std::string_view format,
                                 const CloneTarget& target, uint64_t size_bytes) const;
  // Gives up a layer's name. An absent one is OK.
  absl::Status Remove(std::string_view id, VolumeFormat format) const;

  // Every file that there is.
  absl::StatusOr<std::vector<std::filesystem::path>> List() const;

  const std::filesystem::path& dir() const { return dir_; }

 private:
  std::filesystem::path dir_;
};

// Moves what the overlay `disk` takes from the layers between it and `base` into it, so that it
// lies over `base` directly: a file that its chain ends in, or nothing where `base` is empty. Its
// content is the same at every moment, also when this is cut off. No machine uses it meanwhile.
// NotFound with a hint where qemu-img is not installed. Blocks within `cancellation`.
absl::Status Flatten(const std::filesystem::path& disk, const std::filesystem::path& base,
                     VolumeFormat base_format, const Cancellation& cancellation);

}  // namespace ember::storage
