#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "backends/images/entry.h"

namespace ember::images {

// A run of blocks of a file.
struct Ext4Extent {
  uint64_t logical = 0;  // block within the file
  uint64_t physical = 0;
  uint64_t count = 0;

  friend bool operator==(const Ext4Extent&, const Ext4Extent&) = default;
};

// Adds a run behind the others, as part of the last one where it continues that.
void AddRun(const Ext4Extent& run, std::vector<Ext4Extent>& extents);

// An inode as it lies on disk (256 bytes, of which ext4 names the first 160).
union Ext4Inode {
  ext2_inode_large large;
  ext2_inode small;
  unsigned char bytes[256];

  Ext4Inode() : bytes{} {}
};

// Everything of an inode that comes from its entry alone; one link, no blocks.
// InvalidArgument for a device number that ext4 can't hold.
absl::Status FillInode(const Entry& entry, Ext4Inode& inode);

// Writes an inode with the blocks of `extents` (at most 4 are kept in the inode itself, more in
// blocks of their own) and the entry's attributes.
absl::Status WriteInode(ext2_filsys filesystem, const std::filesystem::path& path,
                        ext2_ino_t number, Ext4Inode& inode, const std::vector<Ext4Extent>& extents,
                        const Entry& entry);

// The type of a folder's record of such an inode.
int FolderRecordType(EntryType type);

}  // namespace ember::images
