#include "backends/images/ext4_geometry.h"

#include <algorithm>

#include "base/size.h"

namespace ember::images {
namespace {

constexpr uint64_t kBytesPerInode = 16384;  // as mke2fs does
constexpr uint64_t kInodeSize = 256;
constexpr uint64_t kGroupBytes = 128 * kMiB;
constexpr uint64_t kMaxInodesPerGroup = 32768;
constexpr uint64_t kFewestInodes = 1024;

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

uint32_t JournalBlocks(uint64_t size_bytes) {
  // A clone grows to gigabytes but keeps the journal it has: 16 MiB, as mke2fs gives to 1 GiB. It
  // is a hole in the image.
  return size_bytes >= kExt4DefaultMinSize ? 4096 : 1024;
}

uint32_t Inodes(uint64_t size_bytes, uint64_t needed) {
  const uint64_t most = std::min<uint64_t>(
      UINT32_MAX, RoundUp(size_bytes, kGroupBytes) / kGroupBytes * kMaxInodesPerGroup);
  const uint64_t wanted =
      std::max(size_bytes / kBytesPerInode, needed + needed / 10 + kFewestInodes);
  return static_cast<uint32_t>(std::min(wanted, most));
}

}  // namespace

Ext4Geometry GeometryOfSize(uint64_t size_bytes, const Ext4Content& content) {
  const uint64_t size = size_bytes / kExt4BlockSize * kExt4BlockSize;
  return {size, Inodes(size, content.inodes), JournalBlocks(size)};
}

Ext4Geometry GeometryFor(const Ext4Content& content) {
  const uint64_t inodes = content.inodes + content.inodes / 10 + kFewestInodes;
  const uint64_t used = content.blocks * kExt4BlockSize;
  uint64_t size = used + used / 10 + inodes * kInodeSize + 32 * kMiB;
  // Superblock copies, descriptors and bitmaps; and inode tables at the ratio above.
  size += size / 32 + 4 * kMiB;
  size = std::max({RoundUp(size, kMiB), kExt4DefaultMinSize,
                   RoundUp(inodes, kMaxInodesPerGroup) / kMaxInodesPerGroup * kGroupBytes -
                       (inodes > kMaxInodesPerGroup ? 0 : kGroupBytes)});
  return GeometryOfSize(size, content);
}

}  // namespace ember::images
