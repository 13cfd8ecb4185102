#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"

namespace ember::images {

// Inodes of a filesystem that is being written to which no name leads any more. They are freed many
// at a time, since each time all that is on its way to the disk has to get there first. Not
// thread-safe; the filesystem is borrowed.
class DoomedInodes {
 public:
  DoomedInodes(ext2_filsys filesystem, std::filesystem::path path)
      : filesystem_(filesystem), path_(std::move(path)) {}

  void Add(uint32_t inode) { inodes_.push_back(inode); }
  bool empty() const { return inodes_.empty(); }

  // Frees them all, with their blocks and attributes. Data that was written beside libext2fs must
  // be in the file already: freed blocks may get another use at once.
  absl::Status Free();

 private:
  absl::Status FreeOne(uint32_t inode);
  absl::Status FlushMetadata();

  ext2_filsys filesystem_;
  std::filesystem::path path_;
  std::vector<uint32_t> inodes_;
};

}  // namespace ember::images
