#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/images/block_writer.h"
#include "backends/images/doomed_inodes.h"
#include "backends/images/entry.h"
#include "backends/images/ext4_format.h"
#include "backends/images/ext4_identity.h"
#include "backends/images/file_tree.h"

namespace ember::images {

// Fills a new ext4 filesystem with entries, in one pass, without root and without mounting it:
// inodes and data go to the file as they come, one after the other; folders wait in memory and are
// written at the end. An entry of a path that was there already replaces the old one (a folder's
// description is taken over, its content stays), and a removal takes away what came with lower
// layers; what they took is used again or given back to the host. The same entries into the same
// geometry and identity give the same bytes. After an error the file is of no use. Not thread-safe.
class Ext4Writer {
 public:
  // Makes the file `path`, which must not exist.
  static absl::StatusOr<std::unique_ptr<Ext4Writer>> Create(std::filesystem::path path,
                                                            const Ext4Geometry& geometry,
                                                            const Ext4Identity& identity);

  // Adds an entry; a file is empty until Write. Missing folders above it are made.
  // InvalidArgument, naming the entry, for one that is not possible; FilesystemFull (see
  // ext4_error.h) when blocks or inodes have run out, which the calls below can answer, too.
  absl::Status Add(const Entry& entry);

  // Content of the file that was added last. Offsets rise; what is left out is a hole.
  absl::Status Write(uint64_t offset, std::string_view bytes);

  // Writes all that is still in memory and makes the file durable. Nothing may follow.
  absl::Status Finish();

  // Of the filesystem.
  uint64_t size_bytes() const;

 private:
  // The file whose content is being written.
  struct OpenFile {
    Entry entry;
    uint32_t inode = 0;
    std::vector<Ext4Extent> extents;
    uint64_t tail_block = 0;  // the block that `tail` is the beginning of
    std::string tail;         // less than a block
    uint64_t end = 0;         // how far the content goes
  };

  Ext4Writer(std::filesystem::path path, Ext4Handle filesystem, BlockWriter blocks)
      : path_(std::move(path)),
        filesystem_(std::move(filesystem)),
        blocks_(std::move(blocks)),
        doomed_(filesystem_.get(), path_) {}

  absl::Status AddLostFound();
  absl::StatusOr<uint32_t> TakeInode(EntryType type);
  absl::Status Remove(const Entry& entry, std::string_view path);
  absl::Status AddFolder(const Entry& entry, const TreePlace& place);
  absl::Status AddHardLink(const Entry& entry, const TreePlace& place);
  absl::Status AddNode(const Entry& entry, const TreePlace& place);
  absl::Status WriteSymlink(const Entry& entry, uint32_t inode);
  absl::Status Replace(const Entry& entry, const TreePlace& place);
  void Forget(TreeNode& node);
  absl::Status FreeDoomed();
  absl::Status FlushTail();
  absl::Status CloseFile();
  absl::Status WriteFolders(TreeNode& folder);
  absl::Status WriteFolder(TreeNode& folder);
  absl::Status WriteLinkCounts();

  std::filesystem::path path_;
  Ext4Handle filesystem_;
  BlockWriter blocks_;
  DoomedInodes doomed_;
  FileTree tree_;
  uint32_t next_inode_ = 0;
  std::unordered_map<uint32_t, uint32_t> links_;  // of inodes with more than one name
  std::optional<OpenFile> file_;
};

}  // namespace ember::images
