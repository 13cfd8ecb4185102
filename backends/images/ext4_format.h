#pragma once

#include <ext2fs/ext2fs.h>

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/images/ext4_geometry.h"
#include "backends/images/ext4_identity.h"

namespace ember::images {

struct Ext4Free {
  void operator()(ext2_filsys filesystem) const { ext2fs_free(filesystem); }
};
// Owns an open filesystem; what was not flushed is lost.
using Ext4Handle = std::unique_ptr<std::remove_pointer_t<ext2_filsys>, Ext4Free>;

// Makes an empty ext4 filesystem in the new file `path`: the features that mke2fs gives an ext4
// (64bit, extents, metadata_csum, flex_bg, …), a journal, no blocks reserved for root, and room in
// the group descriptors to grow online to 1 TiB (beyond that the kernel switches to meta_bg). It
// has the inodes that ext4 itself uses, but neither a root folder nor lost+found: whoever fills it
// writes those. The file stays sparse: what is not written is zero already, and is marked so.
absl::StatusOr<Ext4Handle> FormatExt4(const std::filesystem::path& path,
                                      const Ext4Geometry& geometry, const Ext4Identity& identity);

}  // namespace ember::images
