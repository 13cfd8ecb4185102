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

absl::StatusOr<uint64_t> BlockWriter::FirstFree() {
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
  return FilesystemFull(path_);
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

absl::Status BlockWriter::Sync() {
  return fsync(fd_.get()) == 0 ? absl::OkStatus() : Ext4Status(errno, path_, "fsync");
}

}  // namespace ember::images
