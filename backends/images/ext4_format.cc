#include "backends/images/ext4_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "backends/images/ext4_error.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr uint64_t kGrowLimit = 1024 * kGiB;
constexpr uint64_t kBlocksPerGroup = 32768;
constexpr uint64_t kDescriptorsPerBlock = kExt4BlockSize / EXT2_MIN_DESC_SIZE_64BIT;
constexpr unsigned kLogBlockSize = 2;  // 1024 << 2

uint64_t DescriptorBlocks(uint64_t size_bytes) {
  const uint64_t group_bytes = kBlocksPerGroup * kExt4BlockSize;
  const uint64_t groups = (size_bytes + group_bytes - 1) / group_bytes;
  return (groups + kDescriptorsPerBlock - 1) / kDescriptorsPerBlock;
}

void SetFeatures(ext2_super_block& super) {
  super.s_feature_compat = EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR |
                           EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX;
  super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                             EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
  super.s_feature_ro_compat =
      EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
      EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
      EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
}

ext2_super_block Parameters(const Ext4Geometry& geometry) {
  ext2_super_block super{};
  super.s_rev_level = EXT2_DYNAMIC_REV;
  super.s_log_block_size = kLogBlockSize;
  super.s_log_cluster_size = kLogBlockSize;
  super.s_inode_size = 256;
  super.s_inodes_count = geometry.inodes;
  super.s_log_groups_per_flex = 4;
  super.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
  SetFeatures(super);
  ext2fs_blocks_count_set(&super, geometry.size_bytes / kExt4BlockSize);
  const uint64_t used = DescriptorBlocks(geometry.size_bytes);
  const uint64_t wanted = DescriptorBlocks(std::max(kGrowLimit, geometry.size_bytes));
  super.s_reserved_gdt_blocks = static_cast<__u16>(wanted - used);
  return super;
}

void Identify(ext2_filsys filesystem, const Ext4Identity& identity) {
  ext2_super_block& super = *filesystem->super;
  std::copy(identity.uuid.begin(), identity.uuid.end(), super.s_uuid);
  std::memcpy(super.s_hash_seed, identity.hash_seed.data(), sizeof(super.s_hash_seed));
  super.s_mkfs_time = identity.made_at;
  super.s_lastcheck = identity.made_at;
  // libext2fs takes this for the clock.
  filesystem->now = identity.made_at;
}

void SetDefaults(ext2_super_block& super) {
  super.s_checksum_type = EXT2_CRC32C_CHKSUM;
  super.s_def_hash_version = EXT2_HASH_HALF_MD4;
  super.s_flags |= EXT2_FLAGS_SIGNED_HASH;
  super.s_max_mnt_count = -1;  // no checks by count or time
  super.s_checkinterval = 0;
  super.s_r_blocks_count = 0;
  super.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
  super.s_min_extra_isize = 32;
  super.s_want_extra_isize = 32;
}

// The inodes below the first free one belong to ext4 itself; the root's is left to the caller.
void ReserveInodes(ext2_filsys filesystem) {
  for (ext2_ino_t inode = 1; inode < EXT2_FIRST_INODE(filesystem->super); ++inode) {
    if (inode != EXT2_ROOT_INO) ext2fs_inode_alloc_stats2(filesystem, inode, +1, 0);
  }
}

// The tables lie in holes of a new file: zero, so the kernel need not clear them at the first
// mount.
void MarkTablesZeroed(ext2_filsys filesystem) {
  for (dgrp_t group = 0; group < filesystem->group_desc_count; ++group) {
    ext2fs_bg_flags_set(filesystem, group, EXT2_BG_INODE_ZEROED);
    ext2fs_group_desc_csum_set(filesystem, group);
  }
}

absl::Status MakeSparseFile(const std::filesystem::path& path, uint64_t size_bytes) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  if (ftruncate(fd.get(), static_cast<off_t>(size_bytes)) == 0) return absl::OkStatus();
  return Ext4Status(errno, path, "cannot be made");
}

}  // namespace

absl::StatusOr<Ext4Handle> FormatExt4(const std::filesystem::path& path,
                                      const Ext4Geometry& geometry, const Ext4Identity& identity) {
  RETURN_IF_ERROR(MakeSparseFile(path, geometry.size_bytes));
  ext2_super_block parameters = Parameters(geometry);
  ext2_filsys raw = nullptr;
  RETURN_IF_ERROR(Ext4Status(
      ext2fs_initialize(path.c_str(), EXT2_FLAG_64BITS, &parameters, unix_io_manager, &raw), path,
      "cannot be formatted"));
  Ext4Handle filesystem(raw);
  Identify(raw, identity);
  SetDefaults(*raw->super);
  ext2fs_init_csum_seed(raw);
  RETURN_IF_ERROR(Ext4Status(ext2fs_allocate_tables(raw), path, "cannot place inode tables"));
  MarkTablesZeroed(raw);
  ReserveInodes(raw);
  RETURN_IF_ERROR(Ext4Status(ext2fs_create_resize_inode(raw), path, "cannot prepare for growing"));
  // Lazy: the journal's blocks are holes, so they need no zeros. And no look whether the file,
  // which is new, is mounted: getmntent, which that takes, can't be called on two threads at once.
  ext2fs_journal_params journal{geometry.journal_blocks, 0};
  RETURN_IF_ERROR(
      Ext4Status(ext2fs_add_journal_inode3(raw, &journal, ~0ULL,
                                           EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK),
                 path, "cannot make a journal"));
  return filesystem;
}

}  // namespace ember::images
