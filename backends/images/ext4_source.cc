#include "backends/images/ext4_source.h"

#include <ext2fs/ext2fs.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/images/entry_type.h"
#include "backends/images/ext4_error.h"
#include "backends/images/ext4_format.h"
#include "backends/images/ext4_geometry.h"
#include "backends/images/ext4_inode.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr size_t kReadBlocks = 64;
constexpr size_t kMaxPath = 4095;
constexpr uint64_t kMaxSymlink = 4096;

struct FileClose {
  void operator()(ext2_file_t file) const { ext2fs_file_close(file); }
};
using FileHandle = std::unique_ptr<std::remove_pointer_t<ext2_file_t>, FileClose>;

// See SetTimes of ext4_inode.cc.
absl::Time TimeOf(const ext2_inode_large& inode) {
  int64_t seconds = static_cast<int32_t>(inode.i_mtime);
  int64_t nanos = 0;
  // An inode of the smallest size, or of an old filesystem, has no second word.
  const size_t end = offsetof(ext2_inode_large, i_mtime_extra) + sizeof(inode.i_mtime_extra);
  if (EXT2_GOOD_OLD_INODE_SIZE + inode.i_extra_isize >= end) {
    seconds += static_cast<int64_t>(inode.i_mtime_extra & EXT4_EPOCH_MASK) << 32;
    nanos = inode.i_mtime_extra >> EXT4_EPOCH_BITS;
  }
  return absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanos);
}

void SetDevice(const ext2_inode_large& inode, Entry& entry) {
  if (inode.i_block[0] != 0) {
    entry.device_major = inode.i_block[0] >> 8 & 0xff;
    entry.device_minor = inode.i_block[0] & 0xff;
  } else {
    entry.device_major = inode.i_block[1] >> 8 & 0xfff;
    entry.device_minor = (inode.i_block[1] & 0xff) | (inode.i_block[1] >> 12 & 0xfff00);
  }
}

// A name of a folder and the inode behind it.
struct Name {
  std::string name;
  ext2_ino_t inode = 0;
};

int CollectName(ext2_dir_entry* record, int, int, char*, void* names) {
  const std::string_view name(record->name, static_cast<size_t>(ext2fs_dirent_name_len(record)));
  if (name != "." && name != "..") {
    static_cast<std::vector<Name>*>(names)->push_back({std::string(name), record->inode});
  }
  return 0;
}

int CollectBlock(ext2_filsys, blk64_t* block, e2_blkcnt_t logical, blk64_t, int, void* runs) {
  if (logical >= 0 && *block != 0) {
    AddRun({static_cast<uint64_t>(logical), *block, 1},
           *static_cast<std::vector<Ext4Extent>*>(runs));
  }
  return 0;
}

int CollectAttribute(char* name, char*, size_t, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

class Ext4Source final : public EntrySource {
 public:
  explicit Ext4Source(std::filesystem::path path) : path_(std::move(path)) {}

  absl::Status Open() {
    struct stat about {};
    if (stat(path_.c_str(), &about) != 0) return ErrnoStatus(errno, path_.native());
    ext2_filsys raw = nullptr;
    const long error = ext2fs_open(path_.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &raw);
    filesystem_.reset(raw);
    if (error >= 256) {
      return InvalidArgument("{} is no ext4 filesystem, or a damaged one", path_.native());
    }
    RETURN_IF_ERROR(Ext4Status(error, path_, "open"));
    if (ext2fs_has_feature_journal_needs_recovery(raw->super) != 0) {
      return WithHint(
          FailedPrecondition("{} was not unmounted cleanly: its journal must be replayed first",
                             path_.native()),
          fmt::format("run 'e2fsck -fp {}'", path_.native()));
    }
    buffer_.resize(kReadBlocks * raw->blocksize);
    pending_.push_back({"", EXT2_ROOT_INO});
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<Entry>> Next() override {
    while (!pending_.empty()) {
      file_.reset();
      runs_.clear();
      const Name next = std::move(pending_.back());
      pending_.pop_back();
      Ext4Inode inode;
      RETURN_IF_ERROR(Checked(
          ext2fs_read_inode_full(filesystem_.get(), next.inode, &inode.small, sizeof(inode.bytes)),
          next.name));
      const auto type = TypeOfMode(inode.large.i_mode);
      if (!type.has_value()) return Damaged(next.name);
      ASSIGN_OR_RETURN(std::optional<Entry> entry, Describe(next, *type, inode));
      if (entry.has_value()) return entry;
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<EntryBlock>> NextBlock() override {
    while (file_ != nullptr && run_ < runs_.size()) {
      const Ext4Extent& run = runs_[run_];
      if (in_run_ == run.count) {
        ++run_;
        in_run_ = 0;
        continue;
      }
      const uint64_t block_size = filesystem_->blocksize;
      const uint64_t offset = (run.logical + in_run_) * block_size;
      const uint64_t blocks = std::min<uint64_t>(kReadBlocks, run.count - in_run_);
      in_run_ += blocks;
      // A run may reach behind the end of the file.
      if (offset >= size_) continue;
      const uint64_t want = std::min(blocks * block_size, size_ - offset);
      RETURN_IF_ERROR(
          Checked(ext2fs_file_llseek(file_.get(), offset, EXT2_SEEK_SET, nullptr), "seek"));
      unsigned got = 0;
      RETURN_IF_ERROR(
          Checked(ext2fs_file_read(file_.get(), buffer_.data(), static_cast<unsigned>(want), &got),
                  "read"));
      if (got == 0) continue;
      bytes_read_ += got;
      return EntryBlock{offset, {buffer_.data(), got}};
    }
    return std::nullopt;
  }

  uint64_t bytes_read() const override { return bytes_read_; }

 private:
  absl::Status Checked(long error, std::string_view what) const {
    if (error == 0 || error < 256) return Ext4Status(error, path_, what);
    return Damaged(what);
  }
  absl::Status Damaged(std::string_view where) const {
    return WithHint(InvalidArgument("{} is a damaged filesystem, at '{}'", path_.native(), where),
                    fmt::format("run 'e2fsck -f {}'", path_.native()));
  }

  // Nothing for what is left out.
  absl::StatusOr<std::optional<Entry>> Describe(const Name& name, EntryType type,
                                                Ext4Inode& inode) {
    Entry entry;
    entry.path = name.name;
    entry.type = type;
    entry.mode = inode.large.i_mode & 07777U;
    entry.uid = inode_uid(inode.small);
    entry.gid = inode_gid(inode.small);
    entry.mtime = TimeOf(inode.large);
    if (type == EntryType::kDirectory) {
      ASSIGN_OR_RETURN(const bool empty, QueueFolder(name));
      if (empty && name.name == "lost+found") return std::nullopt;
    } else if (inode.large.i_links_count > 1) {
      const auto [first, is_first] = links_.try_emplace(name.inode, name.name);
      if (!is_first) {
        entry.type = EntryType::kHardLink;
        entry.target = first->second;
        return entry;
      }
    }
    RETURN_IF_ERROR(ReadAttributes(name, entry));
    RETURN_IF_ERROR(ReadByType(name, inode, entry));
    return entry;
  }

  absl::Status ReadByType(const Name& name, Ext4Inode& inode, Entry& entry) {
    switch (entry.type) {
      case EntryType::kSymlink:
        return ReadTarget(name, inode, entry);
      case EntryType::kCharDevice:
      case EntryType::kBlockDevice:
        SetDevice(inode.large, entry);
        return absl::OkStatus();
      case EntryType::kFile:
        return OpenFile(name, inode, entry);
      default:
        return absl::OkStatus();
    }
  }

  absl::Status OpenFile(const Name& name, Ext4Inode& inode, Entry& entry) {
    entry.size_bytes = size_ = EXT2_I_SIZE(&inode.large);
    RETURN_IF_ERROR(OpenHandle(name, inode));
    run_ = in_run_ = 0;
    if ((inode.large.i_flags & EXT4_INLINE_DATA_FL) != 0) {
      runs_ = {{0, 0, 1}};  // within the inode; the numbers of blocks are not used
      return absl::OkStatus();
    }
    // Runs that were reserved but not written are among them; reading those gives zeros.
    return Checked(ext2fs_block_iterate3(filesystem_.get(), name.inode,
                                         BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, nullptr,
                                         CollectBlock, &runs_),
                   name.name);
  }

  absl::Status OpenHandle(const Name& name, Ext4Inode& inode) {
    ext2_file_t raw = nullptr;
    RETURN_IF_ERROR(Checked(ext2fs_file_open2(filesystem_.get(), name.inode, &inode.small, 0, &raw),
                            name.name));
    file_.reset(raw);
    return absl::OkStatus();
  }

  absl::Status ReadTarget(const Name& name, Ext4Inode& inode, Entry& entry) {
    const uint64_t size = EXT2_I_SIZE(&inode.large);
    if (size == 0 || size > kMaxSymlink) return Damaged(name.name);
    if (ext2fs_is_fast_symlink(&inode.small) != 0) {
      const size_t most = sizeof(inode.large.i_block);
      entry.target.assign(reinterpret_cast<const char*>(inode.large.i_block),
                          std::min<size_t>(size, most));
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(OpenHandle(name, inode));
    entry.target.resize(size);
    unsigned got = 0;
    RETURN_IF_ERROR(Checked(
        ext2fs_file_read(file_.get(), entry.target.data(), static_cast<unsigned>(size), &got),
        name.name));
    file_.reset();
    return got == size ? absl::OkStatus() : Damaged(name.name);
  }

  absl::Status ReadAttributes(const Name& name, Entry& entry) {
    ext2_xattr_handle* handle = nullptr;
    long error = ext2fs_xattrs_open(filesystem_.get(), name.inode, &handle);
    if (error == 0) error = ext2fs_xattrs_read(handle);
    std::vector<std::string> names;
    if (error == 0) error = ext2fs_xattrs_iterate(handle, CollectAttribute, &names);
    for (auto next = names.begin(); error == 0 && next != names.end(); ++next) {
      // Content that lies in the inode itself.
      if (*next == "system.data") continue;
      // Asked for by name, since only so ACLs come in the kernel's form.
      void* value = nullptr;
      size_t size = 0;
      error = ext2fs_xattr_get(handle, next->c_str(), &value, &size);
      if (error == 0) entry.xattrs[*next].assign(static_cast<const char*>(value), size);
      ext2fs_free_mem(&value);
    }
    if (handle != nullptr) ext2fs_xattrs_close(&handle);
    return Checked(error, name.name);
  }

  // Whether there is nothing in it.
  absl::StatusOr<bool> QueueFolder(const Name& folder) {
    // A damaged filesystem may have a folder within itself.
    if (!folders_.insert(folder.inode).second) return Damaged(folder.name);
    std::vector<Name> names;
    RETURN_IF_ERROR(Checked(
        ext2fs_dir_iterate(filesystem_.get(), folder.inode, 0, nullptr, CollectName, &names),
        folder.name));
    // The last one pushed is read first.
    std::sort(names.begin(), names.end(),
              [](const Name& a, const Name& b) { return a.name > b.name; });
    for (Name& name : names) {
      if (!folder.name.empty()) name.name.insert(0, folder.name + "/");
      if (name.name.size() > kMaxPath) return Damaged(folder.name);
      pending_.push_back(std::move(name));
    }
    return names.empty();
  }

  const std::filesystem::path path_;
  Ext4Handle filesystem_;
  std::vector<char> buffer_;
  std::vector<Name> pending_;  // with whole paths
  std::map<ext2_ino_t, std::string> links_;
  std::set<ext2_ino_t> folders_;
  FileHandle file_;  // after filesystem_: closing needs it
  std::vector<Ext4Extent> runs_;
  size_t run_ = 0;
  uint64_t in_run_ = 0;  // blocks
  uint64_t size_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EntrySource>> OpenExt4Source(const std::filesystem::path& path) {
  auto source = std::make_unique<Ext4Source>(path);
  RETURN_IF_ERROR(source->Open());
  return source;
}

}  // namespace ember::images
