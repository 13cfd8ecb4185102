#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/ext4_inode.h"
#include "base/unique_fd.h"

namespace ember::images {

// Hands out the blocks of a fresh filesystem from front to back and writes data to them, in large
// pieces, beside libext2fs (whose cache knows only metadata). One writer per filesystem; the
// filesystem is borrowed. Not thread-safe.
class BlockWriter {
 public:
  static absl::StatusOr<BlockWriter> Open(ext2_filsys filesystem, std::filesystem::path path);

  // What to do when no block is free before it is said that the filesystem is full: make some free,
  // if that is possible.
  void OnFull(std::function<absl::Status()> make_room) { make_room_ = std::move(make_room); }

  // Writes whole blocks as the file's blocks from `logical` on, to as few runs as there is room
  // for, and adds these to `extents`. FilesystemFull when there are not enough.
  absl::Status Append(uint64_t logical, std::string_view blocks, std::vector<Ext4Extent>& extents);

  // Takes one block that the caller writes through libext2fs.
  absl::StatusOr<uint64_t> TakeBlock();

  // Writes what is still in memory.
  absl::Status Flush();

  // Gives the host back what freed blocks took: they read as zeros.
  absl::Status PunchFreeBlocks();

  // Makes the file durable.
  absl::Status Sync();

 private:
  struct Run {
    uint64_t start = 0;
    uint64_t count = 0;
  };

  BlockWriter(ext2_filsys filesystem, std::filesystem::path path, UniqueFd fd)
      : filesystem_(filesystem), path_(std::move(path)), fd_(std::move(fd)) {}

  absl::StatusOr<Run> Take(uint64_t most);
  absl::StatusOr<uint64_t> FirstFree();
  std::optional<uint64_t> FindFree();
  absl::Status Punch(uint64_t start, uint64_t end);

  ext2_filsys filesystem_;
  std::filesystem::path path_;
  UniqueFd fd_;
  std::function<absl::Status()> make_room_;
  uint64_t next_ = 0;          // where to look for a free block
  uint64_t end_of_used_ = 0;   // no block from here on was ever handed out
  uint64_t buffer_block_ = 0;  // where the buffer belongs
  std::string buffer_;
};

}  // namespace ember::images
