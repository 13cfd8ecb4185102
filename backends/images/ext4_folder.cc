#include "backends/images/ext4_folder.h"

#include <cstring>

#include "backends/images/ext4_geometry.h"
#include "backends/images/ext4_inode.h"

namespace ember::images {
namespace {

constexpr size_t kHeader = 8;
constexpr size_t kUsable = kExt4BlockSize - sizeof(ext2_dir_entry_tail);

// Packs records; the last one of a block reaches to its tail.
class FolderPacker {
 public:
  explicit FolderPacker(ext2_filsys filesystem) : filesystem_(filesystem) {}

  void Add(uint32_t inode, std::string_view name, EntryType type) {
    const size_t length = (kHeader + name.size() + 3) & ~size_t{3};
    if (blocks_.empty() || used_ + length > kUsable) StartBlock();
    last_ = used_;
    PutRecord(inode, name, FolderRecordType(type), length);
    used_ += length;
    SetLength(kUsable - last_);
  }

  std::vector<std::string> Finish() && { return std::move(blocks_); }

 private:
  void StartBlock() {
    blocks_.emplace_back(kExt4BlockSize, '\0');
    used_ = 0;
    ext2fs_initialize_dirent_tail(filesystem_,
                                  EXT2_DIRENT_TAIL(blocks_.back().data(), kExt4BlockSize));
  }

  // The record before this one ends where this one starts.
  void PutRecord(uint32_t inode, std::string_view name, int type, size_t length) {
    if (used_ > 0) {
      const auto previous = static_cast<uint16_t>(used_ - previous_);
      std::memcpy(blocks_.back().data() + previous_ + 4, &previous, sizeof(previous));
    }
    ext2_dir_entry_2 record{};
    record.inode = inode;
    record.rec_len = static_cast<__u16>(length);
    record.name_len = static_cast<__u8>(name.size());
    record.file_type = static_cast<__u8>(type);
    char* at = blocks_.back().data() + used_;
    std::memcpy(at, &record, kHeader);
    std::memcpy(at + kHeader, name.data(), name.size());
    previous_ = used_;
  }

  void SetLength(size_t length) {
    const auto value = static_cast<uint16_t>(length);
    std::memcpy(blocks_.back().data() + last_ + 4, &value, sizeof(value));
  }

  ext2_filsys filesystem_;
  std::vector<std::string> blocks_;
  size_t used_ = 0;
  size_t last_ = 0;
  size_t previous_ = 0;
};

}  // namespace

std::vector<std::string> FolderBlocks(ext2_filsys filesystem, const TreeNode& folder) {
  FolderPacker packer(filesystem);
  packer.Add(folder.inode, ".", EntryType::kDirectory);
  packer.Add(folder.parent->inode, "..", EntryType::kDirectory);
  for (const auto& [name, child] : folder.children) packer.Add(child->inode, name, child->type);
  return std::move(packer).Finish();
}

}  // namespace ember::images
