#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <string>
#include <vector>

#include "backends/images/file_tree.h"

namespace ember::images {

// The blocks of a folder: ".", "..", then its children by name, each block with the tail that
// holds its checksum (not computed yet). Linear: the kernel indexes a folder when it grows.
std::vector<std::string> FolderBlocks(ext2_filsys filesystem, const TreeNode& folder);

}  // namespace ember::images
