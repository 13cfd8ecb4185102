#include "backends/storage/usage.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "backends/storage/file_extents.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace ember::storage {
namespace {

constexpr uint64_t kBlock = 512;  // the unit of st_blocks, whatever the filesystem's is
constexpr uint32_t kXfs = 0x58465342;

struct KnownFilesystem {
  uint32_t magic;
  std::string_view name;
  bool clones;  // files may have blocks in common
};
constexpr KnownFilesystem kFilesystems[] = {
    {kXfs, "xfs", true},
    {BTRFS_SUPER_MAGIC, "btrfs", true},
    {EXT4_SUPER_MAGIC, "ext4", false},
    {TMPFS_MAGIC, "tmpfs", false},
    {OVERLAYFS_SUPER_MAGIC, "overlay", true},
    {NFS_SUPER_MAGIC, "nfs", true},
    {0xf2f52010, "f2fs", true},
    {0x2fc12fc1, "zfs", true},
    {0xca451a4e, "bcachefs", true},
};

const KnownFilesystem* FindFilesystem(uint32_t magic) {
  const auto* found = std::find_if(std::begin(kFilesystems), std::end(kFilesystems),
                                   [magic](const auto& row) { return row.magic == magic; });
  return found == std::end(kFilesystems) ? nullptr : found;
}

// What one file takes.
struct Measured {
  std::vector<Extent> extents;
  bool sharing_known = true;
};

// Where nothing tells which blocks a file has: all of them as one piece without a place.
Measured FromBlocks(int fd, const struct stat& about) {
  struct statfs filesystem;
  const bool told = fstatfs(fd, &filesystem) == 0;
  const KnownFilesystem* known =
      told ? FindFilesystem(static_cast<uint32_t>(filesystem.f_type)) : nullptr;
  return {{{0, static_cast<uint64_t>(about.st_blocks) * kBlock, false, false}},
          known != nullptr && !known->clones};
}

class Meter {
 public:
  explicit Meter(Freshness freshness)
      : sync_(freshness == Freshness::kSynced ? ExtentSync::kYes : ExtentSync::kNo) {}

  void Add(const std::filesystem::path& path, bool own) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat about;
    if (!fd.valid() || fstat(fd.get(), &about) != 0) {
      if (errno != ENOENT) known_ = false;
      return;
    }
    // Two names of one file.
    if (!S_ISREG(about.st_mode) || !seen_.insert({about.st_dev, about.st_ino}).second) return;
    auto told = ReadExtents(fd.get(), sync_);
    const bool by_extents = told.ok() && told->has_value();
    const Measured file = by_extents ? Measured{**std::move(told)} : FromBlocks(fd.get(), about);
    all_.insert(all_.end(), file.extents.begin(), file.extents.end());
    if (!own) return;
    if (!file.sharing_known) exclusive_known_ = false;
    // The file has another name, which keeps its blocks.
    if (about.st_nlink > 1) return;
    std::copy_if(file.extents.begin(), file.extents.end(), std::back_inserter(exclusive_),
                 [](const Extent& extent) { return !extent.shared; });
  }

  Usage Result() && {
    Usage usage;
    if (!known_ || seen_.empty()) return usage;
    usage.referenced_bytes = DistinctBytes(std::move(all_));
    if (exclusive_known_) {
      usage.exclusive_bytes =
          std::min(DistinctBytes(std::move(exclusive_)), *usage.referenced_bytes);
    }
    return usage;
  }

 private:
  const ExtentSync sync_;
  std::set<std::pair<dev_t, ino_t>> seen_;
  std::vector<Extent> all_;
  std::vector<Extent> exclusive_;
  bool known_ = true;
  bool exclusive_known_ = true;
};

}  // namespace

Usage MeasureFiles(const FileSet& files, Freshness freshness) {
  Meter meter(freshness);
  for (const std::filesystem::path& path : files.own) meter.Add(path, true);
  for (const std::filesystem::path& path : files.shared) meter.Add(path, false);
  return std::move(meter).Result();
}

std::optional<uint64_t> QuickExclusiveBytes(const std::filesystem::path& file) {
  struct stat about;
  struct statfs filesystem;
  if (stat(file.c_str(), &about) != 0 || statfs(file.c_str(), &filesystem) != 0) {
    return std::nullopt;
  }
  const KnownFilesystem* known = FindFilesystem(static_cast<uint32_t>(filesystem.f_type));
  if (known != nullptr && !known->clones && about.st_nlink == 1) {
    return static_cast<uint64_t>(about.st_blocks) * kBlock;
  }
  return MeasureFiles({{file}}, Freshness::kAsItIs).exclusive_bytes;
}

absl::StatusOr<PoolUsage> MeasurePool(const std::filesystem::path& dir) {
  struct statvfs about;
  struct statfs filesystem;
  if (statvfs(dir.c_str(), &about) != 0 || statfs(dir.c_str(), &filesystem) != 0) {
    return ErrnoStatus(errno, dir.native());
  }
  const auto magic = static_cast<uint32_t>(filesystem.f_type);
  const KnownFilesystem* known = FindFilesystem(magic);
  const uint64_t unit = about.f_frsize;
  return PoolUsage{known != nullptr ? std::string(known->name) : fmt::format("{:#x}", magic),
                   about.f_blocks * unit, (about.f_blocks - about.f_bfree) * unit,
                   about.f_bavail * unit};
}

}  // namespace ember::storage
