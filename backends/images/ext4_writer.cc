#include "backends/images/ext4_writer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "backends/images/entry_path.h"
#include "backends/images/ext4_error.h"
#include "backends/images/ext4_folder.h"
#include "backends/images/ext4_geometry.h"
#include "backends/images/ext4_inode.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint32_t kMaxLinks = 65000;             // EXT4_LINK_MAX
constexpr size_t kFastSymlink = 60;               // shorter ones fit into the inode
constexpr size_t kMaxSymlink = 4095;              // PATH_MAX
constexpr uint64_t kMaxFile = uint64_t{1} << 44;  // 2^32 blocks
constexpr uint32_t kAnyLayer = UINT32_MAX;        // of what no removal reaches

}  // namespace

absl::StatusOr<std::unique_ptr<Ext4Writer>> Ext4Writer::Create(std::filesystem::path path,
                                                               const Ext4Geometry& geometry,
                                                               const Ext4Identity& identity) {
  ASSIGN_OR_RETURN(Ext4Handle filesystem, FormatExt4(path, geometry, identity));
  ASSIGN_OR_RETURN(BlockWriter blocks, BlockWriter::Open(filesystem.get(), path));
  std::unique_ptr<Ext4Writer> writer(
      new Ext4Writer(std::move(path), std::move(filesystem), std::move(blocks)));
  ext2_filsys raw = writer->filesystem_.get();
  writer->next_inode_ = EXT2_FIRST_INODE(raw->super);
  writer->tree_.root().inode = EXT2_ROOT_INO;
  ext2fs_inode_alloc_stats2(raw, EXT2_ROOT_INO, +1, 1);
  RETURN_IF_ERROR(writer->AddLostFound());
  writer->blocks_.OnFull([raw_writer = writer.get()] { return raw_writer->FreeDoomed(); });
  return writer;
}

absl::Status Ext4Writer::AddLostFound() {
  Entry lost_found;
  lost_found.path = "lost+found";
  lost_found.type = EntryType::kDirectory;
  lost_found.mode = 0700;
  // e2fsck misses it, so no layer may take it away.
  lost_found.layer = kAnyLayer;
  return Add(lost_found);
}

uint64_t Ext4Writer::size_bytes() const {
  return ext2fs_blocks_count(filesystem_->super) * kExt4BlockSize;
}

absl::StatusOr<uint32_t> Ext4Writer::TakeInode(EntryType type) {
  ext2_filsys raw = filesystem_.get();
  const uint32_t last = raw->super->s_inodes_count;
  ext2_ino_t inode = next_inode_;
  if (next_inode_ <= last) {
    ++next_inode_;
  } else {
    RETURN_IF_ERROR(FreeDoomed());
    if (ext2fs_find_first_zero_inode_bitmap2(raw->inode_map, EXT2_FIRST_INODE(raw->super), last,
                                             &inode) != 0) {
      return FilesystemFull(path_);
    }
  }
  ext2fs_inode_alloc_stats2(raw, inode, +1, type == EntryType::kDirectory);
  return inode;
}

absl::Status Ext4Writer::Add(const Entry& entry) {
  RETURN_IF_ERROR(CloseFile());
  ASSIGN_OR_RETURN(const std::string path, NormalizePath(entry.path));
  if (entry.type == EntryType::kRemoval || entry.type == EntryType::kRemovalOfContent) {
    return Remove(entry, path);
  }
  ASSIGN_OR_RETURN(const TreePlace place, tree_.Place(path, entry.layer));
  if (entry.type == EntryType::kDirectory) return AddFolder(entry, place);
  if (place.name.empty()) return InvalidArgument("entry '{}' would replace the root", entry.path);
  if (entry.type == EntryType::kHardLink) return AddHardLink(entry, place);
  RETURN_IF_ERROR(Replace(entry, place));
  return AddNode(entry, place);
}

absl::Status Ext4Writer::AddFolder(const Entry& entry, const TreePlace& place) {
  TreeNode* node = FileTree::At(place);
  if (node != nullptr && node->type != EntryType::kDirectory) {
    RETURN_IF_ERROR(Replace(entry, place));
    node = nullptr;
  }
  if (node == nullptr) node = &FileTree::Insert(place, std::make_unique<TreeNode>());
  *node->folder = entry;
  node->layer = std::max(node->layer, entry.layer);
  return absl::OkStatus();
}

absl::Status Ext4Writer::AddHardLink(const Entry& entry, const TreePlace& place) {
  ASSIGN_OR_RETURN(const std::string target_path, NormalizePath(entry.target));
  const TreeNode* target = tree_.Find(target_path);
  if (target == nullptr) {
    return InvalidArgument("entry '{}' is a hard link to '{}', which does not come before it",
                           entry.path, entry.target);
  }
  if (target->type == EntryType::kDirectory) {
    return InvalidArgument("entry '{}' is a hard link to the folder '{}'", entry.path,
                           entry.target);
  }
  if (target == FileTree::At(place)) return absl::OkStatus();
  auto node = std::make_unique<TreeNode>();
  node->type = target->type;
  node->layer = entry.layer;
  node->inode = target->inode;
  node->target = target->target;
  uint32_t& links = links_.try_emplace(target->inode, 1).first->second;
  if (links == kMaxLinks) {
    return InvalidArgument("entry '{}' is one hard link too many to '{}'", entry.path,
                           entry.target);
  }
  ++links;
  RETURN_IF_ERROR(Replace(entry, place));
  FileTree::Insert(place, std::move(node));
  return absl::OkStatus();
}

absl::Status Ext4Writer::AddNode(const Entry& entry, const TreePlace& place) {
  auto node = std::make_unique<TreeNode>();
  node->type = entry.type;
  node->layer = entry.layer;
  ASSIGN_OR_RETURN(node->inode, TakeInode(entry.type));
  const uint32_t inode = node->inode;
  if (entry.type == EntryType::kSymlink) node->target = entry.target;
  FileTree::Insert(place, std::move(node));
  if (entry.type == EntryType::kSymlink) return WriteSymlink(entry, inode);
  if (entry.type == EntryType::kFile) {
    file_.emplace(OpenFile{entry, inode});
    return absl::OkStatus();
  }
  Ext4Inode raw;
  RETURN_IF_ERROR(FillInode(entry, raw));
  return WriteInode(filesystem_.get(), path_, inode, raw, {}, entry);
}

absl::Status Ext4Writer::WriteSymlink(const Entry& entry, uint32_t inode) {
  if (entry.target.empty() || entry.target.size() > kMaxSymlink) {
    return InvalidArgument("entry '{}' is a symbolic link with a target of {} bytes (1 to {})",
                           entry.path, entry.target.size(), kMaxSymlink);
  }
  Ext4Inode raw;
  RETURN_IF_ERROR(FillInode(entry, raw));
  raw.large.i_size = static_cast<__u32>(entry.target.size());
  std::vector<Ext4Extent> extents;
  if (entry.target.size() < kFastSymlink) {
    std::memcpy(raw.large.i_block, entry.target.data(), entry.target.size());
  } else {
    std::string block = entry.target;
    block.resize(kExt4BlockSize, '\0');
    RETURN_IF_ERROR(blocks_.Append(0, block, extents));
  }
  return WriteInode(filesystem_.get(), path_, inode, raw, extents, entry);
}

absl::Status Ext4Writer::Replace(const Entry& entry, const TreePlace& place) {
  TreeNode* old = FileTree::At(place);
  if (old == nullptr) return absl::OkStatus();
  if (old->type == EntryType::kDirectory) {
    FileTree::SweepContent(*old, entry.layer, [this](TreeNode& node) { Forget(node); });
    if (!old->children.empty() || old->layer == kAnyLayer) {
      return InvalidArgument("entry '{}' would replace a folder that is not empty", entry.path);
    }
  } else {
    Forget(*old);
  }
  place.folder->children.erase(place.name);
  return absl::OkStatus();
}

absl::Status Ext4Writer::Remove(const Entry& entry, std::string_view path) {
  const FileTree::Forget forget = [this](TreeNode& node) { Forget(node); };
  // What is not there needs no removal.
  if (entry.type == EntryType::kRemoval) {
    if (const auto place = tree_.FindPlace(path)) FileTree::Sweep(*place, entry.layer, forget);
  } else if (TreeNode* folder = tree_.FindFolder(path)) {
    FileTree::SweepContent(*folder, entry.layer, forget);
  }
  return absl::OkStatus();
}

// A name of the node goes.
void Ext4Writer::Forget(TreeNode& node) {
  const auto links = links_.find(node.inode);
  if (links == links_.end()) return doomed_.Add(node.inode);
  // On disk an inode has one link until Finish, so one that is back at one needs nothing.
  if (--links->second == 1) links_.erase(links);
}

absl::Status Ext4Writer::FreeDoomed() {
  if (doomed_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(blocks_.Flush());
  return doomed_.Free();
}

absl::Status Ext4Writer::Write(uint64_t offset, std::string_view bytes) {
  OpenFile& file = *file_;
  if (offset < file.end || offset > kMaxFile || bytes.size() > kMaxFile - offset) {
    return InvalidArgument("entry '{}' has content at an impossible place", file.entry.path);
  }
  file.end = offset + bytes.size();
  while (!bytes.empty()) {
    const uint64_t block = offset / kExt4BlockSize;
    const size_t within = offset % kExt4BlockSize;
    if (block != file.tail_block) RETURN_IF_ERROR(FlushTail());
    size_t taken = 0;
    if (within == 0 && bytes.size() >= kExt4BlockSize) {
      taken = bytes.size() / kExt4BlockSize * kExt4BlockSize;
      RETURN_IF_ERROR(blocks_.Append(block, bytes.substr(0, taken), file.extents));
    } else {
      taken = std::min(bytes.size(), kExt4BlockSize - within);
      file.tail_block = block;
      file.tail.resize(within, '\0');
      file.tail.append(bytes.substr(0, taken));
      if (file.tail.size() == kExt4BlockSize) RETURN_IF_ERROR(FlushTail());
    }
    bytes.remove_prefix(taken);
    offset += taken;
  }
  return absl::OkStatus();
}

absl::Status Ext4Writer::FlushTail() {
  OpenFile& file = *file_;
  if (file.tail.empty()) return absl::OkStatus();
  file.tail.resize(kExt4BlockSize, '\0');
  absl::Status status = blocks_.Append(file.tail_block, file.tail, file.extents);
  file.tail.clear();
  return status;
}

absl::Status Ext4Writer::CloseFile() {
  if (!file_.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(FlushTail());
  const OpenFile file = std::move(*file_);
  file_.reset();
  Ext4Inode raw;
  RETURN_IF_ERROR(FillInode(file.entry, raw));
  const uint64_t size = std::max(file.end, file.entry.size_bytes);
  if (size > kMaxFile) return InvalidArgument("entry '{}' is too large", file.entry.path);
  raw.large.i_size = static_cast<__u32>(size);
  raw.large.i_size_high = static_cast<__u32>(size >> 32);
  return WriteInode(filesystem_.get(), path_, file.inode, raw, file.extents, file.entry);
}

absl::Status Ext4Writer::WriteFolders(TreeNode& folder) {
  // Inodes of all children first: a folder's records need them.
  for (const auto& [name, child] : folder.children) {
    if (child->type != EntryType::kDirectory) continue;
    ASSIGN_OR_RETURN(child->inode, TakeInode(EntryType::kDirectory));
  }
  RETURN_IF_ERROR(WriteFolder(folder));
  for (const auto& [name, child] : folder.children) {
    if (child->type == EntryType::kDirectory) RETURN_IF_ERROR(WriteFolders(*child));
  }
  return absl::OkStatus();
}

absl::Status Ext4Writer::WriteFolder(TreeNode& folder) {
  ext2_filsys raw = filesystem_.get();
  std::vector<std::string> blocks = FolderBlocks(raw, folder);
  std::vector<Ext4Extent> extents;
  for (uint64_t logical = 0; logical < blocks.size(); ++logical) {
    ASSIGN_OR_RETURN(const uint64_t block, blocks_.TakeBlock());
    AddRun({logical, block, 1}, extents);
  }
  const auto subfolders = static_cast<uint32_t>(
      std::count_if(folder.children.begin(), folder.children.end(),
                    [](const auto& child) { return child.second->type == EntryType::kDirectory; }));
  Ext4Inode inode;
  RETURN_IF_ERROR(FillInode(*folder.folder, inode));
  // 1 means "more than can be counted" (dir_nlink).
  inode.large.i_links_count = static_cast<__u16>(subfolders + 2 > kMaxLinks ? 1 : subfolders + 2);
  const uint64_t size = blocks.size() * kExt4BlockSize;
  inode.large.i_size = static_cast<__u32>(size);
  inode.large.i_size_high = static_cast<__u32>(size >> 32);
  RETURN_IF_ERROR(WriteInode(raw, path_, folder.inode, inode, extents, *folder.folder));
  // After the inode: the checksum of a block covers the inode's number and generation.
  size_t written = 0;
  for (const Ext4Extent& extent : extents) {
    for (uint64_t i = 0; i < extent.count; ++i) {
      RETURN_IF_ERROR(Ext4Status(ext2fs_write_dir_block4(raw, extent.physical + i,
                                                         blocks[written++].data(), 0, folder.inode),
                                 path_, "write a folder"));
    }
  }
  return absl::OkStatus();
}

absl::Status Ext4Writer::WriteLinkCounts() {
  for (const auto& [inode, links] : links_) {
    Ext4Inode raw;
    RETURN_IF_ERROR(
        Ext4Status(ext2fs_read_inode_full(filesystem_.get(), inode, &raw.small, sizeof(raw.bytes)),
                   path_, "read an inode"));
    raw.large.i_links_count = static_cast<__u16>(links);
    RETURN_IF_ERROR(
        Ext4Status(ext2fs_write_inode_full(filesystem_.get(), inode, &raw.small, sizeof(raw.bytes)),
                   path_, "write an inode"));
  }
  return absl::OkStatus();
}

absl::Status Ext4Writer::Finish() {
  RETURN_IF_ERROR(CloseFile());
  RETURN_IF_ERROR(FreeDoomed());
  RETURN_IF_ERROR(WriteFolders(tree_.root()));
  RETURN_IF_ERROR(WriteLinkCounts());
  RETURN_IF_ERROR(blocks_.Flush());
  RETURN_IF_ERROR(blocks_.PunchFreeBlocks());
  ext2_filsys raw = filesystem_.release();
  RETURN_IF_ERROR(Ext4Status(ext2fs_close_free(&raw), path_, "close"));
  return blocks_.Sync();
}

}  // namespace ember::images
