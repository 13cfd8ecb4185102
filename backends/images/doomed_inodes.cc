#include "backends/images/doomed_inodes.h"

#include "backends/images/ext4_error.h"
#include "backends/images/ext4_inode.h"
#include "base/status_macros.h"

namespace ember::images {

absl::Status DoomedInodes::Free() {
  if (inodes_.empty()) return absl::OkStatus();
  // Nothing may be written late to blocks that are about to have another use.
  RETURN_IF_ERROR(FlushMetadata());
  for (const uint32_t inode : inodes_) RETURN_IF_ERROR(FreeOne(inode));
  inodes_.clear();
  return FlushMetadata();
}

absl::Status DoomedInodes::FlushMetadata() {
  // To turn the cache off is the one way to write it out without an fsync.
  for (const char* option : {"cache=off", "cache=on"}) {
    RETURN_IF_ERROR(Ext4Status(io_channel_set_options(filesystem_->io, option), path_, "write"));
  }
  return absl::OkStatus();
}

absl::Status DoomedInodes::FreeOne(uint32_t inode) {
  Ext4Inode old;
  RETURN_IF_ERROR(
      Ext4Status(ext2fs_read_inode_full(filesystem_, inode, &old.small, sizeof(old.bytes)), path_,
                 "read an inode"));
  RETURN_IF_ERROR(
      Ext4Status(ext2fs_free_ext_attr(filesystem_, inode, &old.large), path_, "free attributes"));
  if (ext2fs_inode_has_valid_blocks2(filesystem_, &old.small) != 0) {
    RETURN_IF_ERROR(Ext4Status(ext2fs_punch(filesystem_, inode, &old.small, nullptr, 0, ~0ULL),
                               path_, "free blocks"));
  }
  // A free inode without a time of deletion is an error to e2fsck.
  Ext4Inode freed;
  freed.large.i_dtime = static_cast<__u32>(filesystem_->now);
  ext2fs_inode_alloc_stats2(filesystem_, inode, -1, 0);
  return Ext4Status(ext2fs_write_inode_full(filesystem_, inode, &freed.small, sizeof(freed.bytes)),
                    path_, "free an inode");
}

}  // namespace ember::images
