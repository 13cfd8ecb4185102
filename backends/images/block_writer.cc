#include "backends/images/block_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/images/ext4_error.h"
#include "backends/images/ext4_geometry.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr size_t kBufferSize = size_t{1} << 20;

// One past the last block we use. The very last one of the filesystem stays free: ext2fs_punch of
// e2fsprogs 1.47 refuses to free a run that ends there.
blk64_t EndOfUse(ext2_filsys filesystem) { return ext2fs_blocks_count(filesystem->super) - 1; }

}  // namespace

absl::StatusOr<BlockWriter> BlockWriter::Open(ext2_filsys filesystem, std::filesystem::path path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  return BlockWriter(filesystem, std::move(path), std::move(fd));
}

std::optional<uint64_t> BlockWriter::FindFree() {
  const blk64_t last = EndOfUse(filesystem_) - 1;
  blk64_t found = 0;
  if (next_ <= last &&
      ext2fs_find_first_zero_block_bitmap2(filesystem_->block_map, next_, last, &found) == 0) {
    return found;
  }
  // Behind us there may be blocks of files that a later entry replaced.
  if (ext2fs_find_first_zero_block_bitmap2(
          filesystem_->block_map, filesystem_->super->s_first_data_block, last, &found) == 0) {
    return found;
  }
  return std::nullopt;
}

absl::StatusOr<uint64_t> BlockWriter::FirstFree() {
  std::optional<uint64_t> found = FindFree();
  if (!found.has_value() && make_room_) {
    RETURN_IF_ERROR(make_room_());
    found = FindFree();
  }
  if (!found.has_value()) return FilesystemFull(path_);
  return *found;
}

absl::StatusOr<BlockWriter::Run> BlockWriter::Take(uint64_t most) {
  ASSIGN_OR_RETURN(const uint64_t start, FirstFree());
  const blk64_t end = std::min<blk64_t>(start + most, EndOfUse(filesystem_));  // one past
  blk64_t used = end;
  if (end > start + 1 &&
      ext2fs_find_first_set_block_bitmap2(filesystem_->block_map, start + 1, end - 1, &used) != 0) {
    used = end;
  }
  ext2fs_block_alloc_stats_range(filesystem_, start, static_cast<blk_t>(used - start), +1);
  next_ = used;
  end_of_used_ = std::max<uint64_t>(end_of_used_, used);
  return Run{start, used - start};
}

absl::StatusOr<uint64_t> BlockWriter::TakeBlock() {
  ASSIGN_OR_RETURN(const Run run, Take(1));
  return run.start;
}

absl::Status BlockWriter::Append(uint64_t logical, std::string_view blocks,
                                 std::vector<Ext4Extent>& extents) {
  while (!blocks.empty()) {
    ASSIGN_OR_RETURN(const Run run, Take(blocks.size() / kExt4BlockSize));
    const size_t bytes = run.count * kExt4BlockSize;
    const bool follows = buffer_block_ + buffer_.size() / kExt4BlockSize == run.start;
    if (!follows || buffer_.size() + bytes > kBufferSize) RETURN_IF_ERROR(Flush());
    if (buffer_.empty()) buffer_block_ = run.start;
    buffer_.append(blocks.substr(0, bytes));
    blocks.remove_prefix(bytes);
    AddRun({logical, run.start, run.count}, extents);
    logical += run.count;
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::Flush() {
  std::string_view bytes = buffer_;
  auto offset = static_cast<off_t>(buffer_block_ * kExt4BlockSize);
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_.get(), bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Ext4Status(errno, path_, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status BlockWriter::PunchFreeBlocks() {
  if (end_of_used_ == 0) return absl::OkStatus();
  const blk64_t last = end_of_used_ - 1;
  blk64_t start = filesystem_->super->s_first_data_block;
  while (start <= last &&
         ext2fs_find_first_zero_block_bitmap2(filesystem_->block_map, start, last, &start) == 0) {
    blk64_t end = last + 1;
    if (ext2fs_find_first_set_block_bitmap2(filesystem_->block_map, start, last, &end) != 0) {
      end = last + 1;
    }
    RETURN_IF_ERROR(Punch(start, end));
    start = end;
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::Punch(uint64_t start, uint64_t end) {
  const auto offset = static_cast<off_t>(start * kExt4BlockSize);
  const auto length = static_cast<off_t>((end - start) * kExt4BlockSize);
  if (fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) {
    return absl::OkStatus();
  }
  if (errno != EOPNOTSUPP) return Ext4Status(errno, path_, "free blocks");
  // Where holes can't be made the bytes are the same at least.
  RETURN_IF_ERROR(Flush());
  for (uint64_t block = start; block < end; ++block) {
    buffer_block_ = block;
    buffer_.assign(kExt4BlockSize, '\0');
    RETURN_IF_ERROR(Flush());
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::Sync() {
  return fsync(fd_.get()) == 0 ? absl::OkStatus() : Ext4Status(errno, path_, "fsync");
}

}  // namespace ember::images
