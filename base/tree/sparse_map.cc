#include "base/tree/sparse_map.h"

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/tar_header.h"

namespace ember::tree {

std::string SparseMapText(const std::vector<Extent>& extents) {
  std::string text = fmt::format("{}\n", extents.size());
  for (const Extent& extent : extents) {
    text += std::to_string(extent.offset);
    text += '\n';
    text += std::to_string(extent.size);
    text += '\n';
  }
  text.append(PaddingOf(text.size()), '\0');
  return text;
}

absl::Status SparseMapReader::AddDigit(char digit) {
  if (digit < '0' || digit > '9') return InvalidArgument("a sparse map is malformed");
  if (number_ >> 59 != 0) return InvalidArgument("a number in a sparse map is too large");
  number_ = number_ * 10 + static_cast<uint64_t>(digit - '0');
  in_number_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> SparseMapReader::Add(std::string_view block) {
  size_ += block.size();
  if (size_ > kMaxExtended) return InvalidArgument("a sparse map is larger than 1 MiB");
  for (const char byte : block) {
    if (complete()) break;  // the rest fills the block
    if (byte != '\n') {
      RETURN_IF_ERROR(AddDigit(byte));
      continue;
    }
    if (!in_number_) return InvalidArgument("a sparse map is malformed");
    if (numbers_.empty() && number_ > kMaxExtended) {
      return InvalidArgument("a sparse map has too many extents");
    }
    numbers_.push_back(number_);
    number_ = 0;
    in_number_ = false;
  }
  return complete();
}

absl::StatusOr<std::vector<Extent>> SparseMapReader::Take(uint64_t file_size,
                                                          uint64_t stored_size) {
  std::vector<Extent> extents;
  uint64_t end = 0;
  uint64_t stored = 0;
  for (size_t i = 1; i < numbers_.size(); i += 2) {
    const Extent extent{numbers_[i], numbers_[i + 1]};
    if (extent.offset < end || extent.offset > file_size ||
        extent.size > file_size - extent.offset) {
      return InvalidArgument("the extents of a sparse map do not follow each other");
    }
    end = extent.offset + extent.size;
    stored += extent.size;
    if (extent.size > 0) extents.push_back(extent);
  }
  if (stored != stored_size) {
    return InvalidArgument("a sparse map has other bytes than its file");
  }
  *this = SparseMapReader();
  return extents;
}

}  // namespace ember::tree
