#pragma once

#include <cstdint>

namespace ember::images {

inline constexpr uint64_t kExt4BlockSize = 4096;

// How much goes into a filesystem.
struct Ext4Content {
  uint64_t blocks = 0;  // of files, folders, long symbolic links and attributes
  uint64_t inodes = 0;

  friend bool operator==(const Ext4Content&, const Ext4Content&) = default;
};

// The shape of a filesystem.
struct Ext4Geometry {
  uint64_t size_bytes = 0;
  uint32_t inodes = 0;
  uint32_t journal_blocks = 0;

  friend bool operator==(const Ext4Geometry&, const Ext4Geometry&) = default;
};

// The smallest size that is accepted, and the smallest that is chosen.
inline constexpr uint64_t kExt4MinSize = uint64_t{16} << 20;
inline constexpr uint64_t kExt4DefaultMinSize = uint64_t{64} << 20;

// A shape with room for `content` and about a tenth more.
Ext4Geometry GeometryFor(const Ext4Content& content);

// A shape of exactly this size (rounded down to blocks) with inodes for `content` at least.
Ext4Geometry GeometryOfSize(uint64_t size_bytes, const Ext4Content& content);

}  // namespace ember::images
