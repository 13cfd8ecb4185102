#include "backends/images/ext4_inode.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "backends/images/ext4_error.h"
#include "backends/images/ext4_geometry.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kMaxExtentBlocks = 32768;
constexpr size_t kExtentsInInode = 4;
constexpr int64_t kEarliest = -(int64_t{1} << 31);
constexpr int64_t kLatest = (int64_t{1} << 34) - (int64_t{1} << 31) - 1;

uint32_t TypeBits(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardLink:
      return S_IFREG;
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kCharDevice:
      return S_IFCHR;
    case EntryType::kBlockDevice:
      return S_IFBLK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kSocket:
      return S_IFSOCK;
    case EntryType::kRemoval:
    case EntryType::kRemovalOfContent:
      break;
  }
  return S_IFREG;
}

// Seconds in 32 bits, and in a second word two more bits of them (the epoch) below 30 bits of
// nanoseconds.
void SetTimes(absl::Time time, ext2_inode_large& inode) {
  const int64_t floor = absl::ToUnixSeconds(time);
  const int64_t seconds = std::clamp(floor, kEarliest, kLatest);
  const auto low = static_cast<uint32_t>(seconds);
  const auto epoch =
      static_cast<uint32_t>((seconds - static_cast<int32_t>(low)) >> 32) & EXT4_EPOCH_MASK;
  const auto nanos = static_cast<uint32_t>(
      seconds == floor ? absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(floor)) : 0);
  const uint32_t extra = nanos << EXT4_EPOCH_BITS | epoch;
  inode.i_mtime = inode.i_atime = inode.i_ctime = inode.i_crtime = low;
  inode.i_mtime_extra = inode.i_atime_extra = inode.i_ctime_extra = inode.i_crtime_extra = extra;
}

absl::Status SetDevice(const Entry& entry, ext2_inode_large& inode) {
  const uint32_t major = entry.device_major;
  const uint32_t minor = entry.device_minor;
  if (major >= 1U << 12 || minor >= 1U << 20) {
    return InvalidArgument("entry '{}' has a device number that is out of range: {}:{}", entry.path,
                           major, minor);
  }
  if (major < 256 && minor < 256) {
    inode.i_block[0] = major << 8 | minor;
  } else {
    inode.i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
  }
  return absl::OkStatus();
}

void InitExtents(ext2_inode_large& inode) {
  ext3_extent_header header{};
  header.eh_magic = EXT3_EXT_MAGIC;
  header.eh_max = kExtentsInInode;
  std::memcpy(inode.i_block, &header, sizeof(header));
  inode.i_flags |= EXT4_EXTENTS_FL;
}

// Runs as ext4 stores them: none longer than an extent can say.
std::vector<Ext4Extent> SplitExtents(const std::vector<Ext4Extent>& extents) {
  std::vector<Ext4Extent> split;
  for (Ext4Extent extent : extents) {
    while (extent.count > 0) {
      const uint64_t count = std::min(extent.count, kMaxExtentBlocks);
      split.push_back({extent.logical, extent.physical, count});
      extent = {extent.logical + count, extent.physical + count, extent.count - count};
    }
  }
  return split;
}

void PutExtents(const std::vector<Ext4Extent>& extents, ext2_inode_large& inode) {
  auto* bytes = reinterpret_cast<unsigned char*>(inode.i_block);
  const auto entries = static_cast<__u16>(extents.size());
  std::memcpy(bytes + offsetof(ext3_extent_header, eh_entries), &entries, sizeof(entries));
  bytes += sizeof(ext3_extent_header);
  for (const Ext4Extent& extent : extents) {
    ext3_extent raw{};
    raw.ee_block = static_cast<__u32>(extent.logical);
    raw.ee_len = static_cast<__u16>(extent.count);
    raw.ee_start = static_cast<__u32>(extent.physical);
    raw.ee_start_hi = static_cast<__u16>(extent.physical >> 32);
    std::memcpy(bytes, &raw, sizeof(raw));
    bytes += sizeof(raw);
  }
}

struct ExtentHandleFree {
  void operator()(ext2_extent_handle_t handle) const { ext2fs_extent_free(handle); }
};
using ExtentHandle = std::unique_ptr<std::remove_pointer_t<ext2_extent_handle_t>, ExtentHandleFree>;

// Lets libext2fs build the tree; it writes the inode as it goes.
absl::Status InsertExtents(ext2_filsys filesystem, const std::filesystem::path& path,
                           ext2_ino_t number, Ext4Inode& inode,
                           const std::vector<Ext4Extent>& extents) {
  ext2_extent_handle_t raw = nullptr;
  RETURN_IF_ERROR(Ext4Status(ext2fs_extent_open2(filesystem, number, &inode.small, &raw), path,
                             "cannot open extents"));
  const ExtentHandle handle(raw);
  for (const Ext4Extent& extent : extents) {
    ext2fs_extent item{};
    item.e_lblk = extent.logical;
    item.e_pblk = extent.physical;
    item.e_len = static_cast<__u32>(extent.count);
    item.e_flags = EXT2_EXTENT_FLAGS_LEAF;
    RETURN_IF_ERROR(Ext4Status(ext2fs_extent_insert(raw, EXT2_EXTENT_INSERT_AFTER, &item), path,
                               "cannot add an extent"));
  }
  return absl::OkStatus();
}

absl::Status WriteAttributes(ext2_filsys filesystem, const std::filesystem::path& path,
                             ext2_ino_t number, const Entry& entry) {
  if (entry.xattrs.empty()) return absl::OkStatus();
  ext2_xattr_handle* handle = nullptr;
  long error = ext2fs_xattrs_open(filesystem, number, &handle);
  if (error == 0) error = ext2fs_xattrs_read(handle);
  for (auto next = entry.xattrs.begin(); error == 0 && next != entry.xattrs.end(); ++next) {
    error = ext2fs_xattr_set(handle, next->first.c_str(), next->second.data(), next->second.size());
  }
  if (handle != nullptr) {
    const long closed = ext2fs_xattrs_close(&handle);
    if (error == 0) error = closed;
  }
  return Ext4Status(error, path, fmt::format("entry '{}'", entry.path));
}

}  // namespace

void AddRun(const Ext4Extent& run, std::vector<Ext4Extent>& extents) {
  if (!extents.empty()) {
    Ext4Extent& last = extents.back();
    if (last.logical + last.count == run.logical && last.physical + last.count == run.physical) {
      last.count += run.count;
      return;
    }
  }
  extents.push_back(run);
}

absl::Status FillInode(const Entry& entry, Ext4Inode& inode) {
  ext2_inode_large& large = inode.large;
  large.i_mode = static_cast<__u16>(TypeBits(entry.type) | (entry.mode & 07777));
  large.i_uid = static_cast<__u16>(entry.uid);
  large.i_gid = static_cast<__u16>(entry.gid);
  large.osd2.linux2.l_i_uid_high = static_cast<__u16>(entry.uid >> 16);
  large.osd2.linux2.l_i_gid_high = static_cast<__u16>(entry.gid >> 16);
  large.i_links_count = 1;
  large.i_extra_isize = 32;
  SetTimes(entry.mtime, large);
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    return SetDevice(entry, large);
  }
  return absl::OkStatus();
}

absl::Status WriteInode(ext2_filsys filesystem, const std::filesystem::path& path,
                        ext2_ino_t number, Ext4Inode& inode, const std::vector<Ext4Extent>& extents,
                        const Entry& entry) {
  const bool has_blocks =
      entry.type == EntryType::kFile || entry.type == EntryType::kDirectory || !extents.empty();
  const std::vector<Ext4Extent> split = SplitExtents(extents);
  uint64_t blocks = 0;
  for (const Ext4Extent& extent : split) blocks += extent.count;
  if (has_blocks) InitExtents(inode.large);
  ext2fs_iblk_set(filesystem, &inode.small, blocks);
  if (split.size() <= kExtentsInInode && has_blocks) PutExtents(split, inode.large);
  RETURN_IF_ERROR(
      Ext4Status(ext2fs_write_inode_full(filesystem, number, &inode.small, sizeof(inode.bytes)),
                 path, "cannot write an inode"));
  if (split.size() > kExtentsInInode) {
    RETURN_IF_ERROR(InsertExtents(filesystem, path, number, inode, split));
  }
  return WriteAttributes(filesystem, path, number, entry);
}

int FolderRecordType(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardLink:
      return EXT2_FT_REG_FILE;
    case EntryType::kDirectory:
      return EXT2_FT_DIR;
    case EntryType::kSymlink:
      return EXT2_FT_SYMLINK;
    case EntryType::kCharDevice:
      return EXT2_FT_CHRDEV;
    case EntryType::kBlockDevice:
      return EXT2_FT_BLKDEV;
    case EntryType::kFifo:
      return EXT2_FT_FIFO;
    case EntryType::kSocket:
      return EXT2_FT_SOCK;
    case EntryType::kRemoval:
    case EntryType::kRemovalOfContent:
      break;
  }
  return EXT2_FT_UNKNOWN;
}

}  // namespace ember::images
