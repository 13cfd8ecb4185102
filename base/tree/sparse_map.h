#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/tree/entry.h"

// The map before a sparse file's content, of GNU tar's sparse format 1.0: decimal numbers, one a
// line, first how many extents there are, then the offset and the size of each; filled up to whole
// blocks.
namespace ember::tree {

std::string SparseMapText(const std::vector<Extent>& extents);

// Reads a map block by block. Holds at most what kMaxExtended bytes of text say.
class SparseMapReader {
 public:
  // Takes the next block. True when the map is complete.
  absl::StatusOr<bool> Add(std::string_view block);
  // Bytes of map so far.
  uint64_t size() const { return size_; }
  // The map of a file of `file_size` bytes whose extents take `stored_size`. InvalidArgument when
  // it says something else, or the extents overlap or are out of order.
  absl::StatusOr<std::vector<Extent>> Take(uint64_t file_size, uint64_t stored_size);

 private:
  absl::Status AddDigit(char digit);
  bool complete() const { return !numbers_.empty() && numbers_.size() == 1 + 2 * numbers_[0]; }

  uint64_t size_ = 0;
  uint64_t number_ = 0;
  bool in_number_ = false;
  std::vector<uint64_t> numbers_;
};

}  // namespace ember::tree
