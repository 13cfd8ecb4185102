#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::storage {

// A stretch of a file's bytes and where the filesystem has them.
struct Extent {
  uint64_t physical = 0;  // bytes from the start of the filesystem; of no meaning when !located
  uint64_t length = 0;
  bool shared = false;  // another file has these blocks, too
  bool located = true;  // false: inside metadata, or compressed

  friend bool operator==(const Extent&, const Extent&) = default;
};

enum class ExtentSync { kNo, kYes };

// The extents of an open file in the order of its content, holes left out. Nothing where the
// filesystem does not tell (FIEMAP is optional).
absl::StatusOr<std::optional<std::vector<Extent>>> ReadExtents(int fd, ExtentSync sync);

// Bytes that the extents take together; blocks that several of them have count once.
uint64_t DistinctBytes(std::vector<Extent> extents);

}  // namespace ember::storage
