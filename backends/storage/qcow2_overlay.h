#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/storage/volume_store.h"

// qcow2 files that hold what was written since, over a *backing file* that holds the rest (QEMU's
// docs/interop/qcow2.txt, version 3). Made here and not by qemu-img, since a fork waits for it: one
// write of 256 KiB, most of it holes, where a process takes 10 ms and more. Everything else about
// them is left to QEMU.
namespace ember::storage {

// Makes `target` an empty overlay of `size_bytes` over `backing`, which it names by its absolute
// path and which must stay as it is from now on. On disk when this returns; after a failure nothing
// is left. InvalidArgument for a size or a path that the format has no room for.
absl::StatusOr<Volume> CreateOverlay(const std::filesystem::path& backing,
                                     VolumeFormat backing_format, const CloneTarget& target,
                                     uint64_t size_bytes);

// What the head of a qcow2 file says of it.
struct Qcow2Header {
  uint64_t size_bytes = 0;                     // as the guest sees it
  std::filesystem::path backing;               // empty: it has none
  std::optional<VolumeFormat> backing_format;  // absent: not named, or not one of ours
  uint64_t map_offset = 0;                     // of the table that says what was written
  uint64_t map_bytes = 0;                      // of this table, at most 32 MiB
  bool plain = false;  // no internal snapshots, external data file, damage mark or unclean end

  friend bool operator==(const Qcow2Header&, const Qcow2Header&) = default;
};

// Reads the head of a file; `bytes` is its first 64 KiB, or all of it where it is shorter. DataLoss
// for what is no qcow2 file or contradicts itself.
absl::StatusOr<Qcow2Header> ParseQcow2Header(std::string_view bytes);

// The same of the file `path`; NotFound where there is none.
absl::StatusOr<Qcow2Header> ReadQcow2Header(const std::filesystem::path& path);

// Whether nothing was ever written to this overlay, so that its backing file says all that it says.
// Nobody writes it meanwhile.
absl::StatusOr<bool> IsUntouched(const std::filesystem::path& path);

}  // namespace ember::storage
