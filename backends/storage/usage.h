#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// What files and filesystems take. Filesystems that clone files let two files have the same blocks,
// so that the sizes of files do not add up: what a file *references* is all that its content takes,
// what is *exclusively* its own would be free without it. The extents of a file, each with a flag
// that says whether another file has it too, come from FIEMAP (Documentation/filesystems/fiemap.rst
// of the kernel): exact on XFS, where the flag settles about a second after a delete, and by whole
// extents on btrfs. A number that is not known is absent, never zero.
namespace ember::storage {

struct Usage {
  std::optional<uint64_t> referenced_bytes;
  std::optional<uint64_t> exclusive_bytes;  // never over referenced_bytes

  friend bool operator==(const Usage&, const Usage&) = default;
};

// Files that belong together: a disk with what it lies over.
struct FileSet {
  std::vector<std::filesystem::path> own;
  // What `own` builds upon and others may as well: backing files of overlays.
  std::vector<std::filesystem::path> shared = {};
};

enum class Freshness {
  kSynced,  // what is still to be written is written first (may take seconds)
  kAsItIs,  // as far as the filesystem has got; for a quick look
};

// What a set takes: all of it referenced, and exclusive what of `own` nobody else has. A block that
// several of its files have counts once. A file that is missing counts nothing. Blocks for a stat
// and an ioctl a file.
Usage MeasureFiles(const FileSet& files, Freshness freshness);

// What is exclusively a file's own, as a quick look tells: for overlays and copies a stat is all.
std::optional<uint64_t> QuickExclusiveBytes(const std::filesystem::path& file);

// A filesystem as statvfs(3) tells of it.
struct PoolUsage {
  std::string filesystem;  // "xfs"; "0x…" when its name is not known
  uint64_t capacity_bytes = 0;
  uint64_t allocated_bytes = 0;
  uint64_t free_bytes = 0;  // to us: what is set aside for root is neither
};
absl::StatusOr<PoolUsage> MeasurePool(const std::filesystem::path& dir);

}  // namespace ember::storage
