#include "backends/images/directory_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "backends/images/entry_type.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr size_t kBuffer = size_t{1} << 18;

Entry FromStat(const struct stat& about) {
  Entry entry;
  entry.type = TypeOfMode(about.st_mode).value_or(EntryType::kFile);
  entry.mode = about.st_mode & 07777;
  entry.uid = about.st_uid;
  entry.gid = about.st_gid;
  entry.mtime = absl::TimeFromTimespec(about.st_mtim);
  entry.device_major = major(about.st_rdev);
  entry.device_minor = minor(about.st_rdev);
  if (entry.type == EntryType::kFile) entry.size_bytes = static_cast<uint64_t>(about.st_size);
  return entry;
}

absl::Status ReadAttributes(const std::filesystem::path& path, Entry& entry) {
  // Most files have none, which is cheap to learn.
  if (llistxattr(path.c_str(), nullptr, 0) == 0) return absl::OkStatus();
  std::vector<char> names(size_t{1} << 16);
  const ssize_t size = llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && (errno == ENOTSUP || errno == EPERM)) return absl::OkStatus();
  if (size < 0) return ErrnoStatus(errno, path.native());
  std::vector<char> value(size_t{1} << 16);
  for (const char* name = names.data(); name < names.data() + size;
       name += std::char_traits<char>::length(name) + 1) {
    const ssize_t length = lgetxattr(path.c_str(), name, value.data(), value.size());
    if (length < 0 && (errno == ENODATA || errno == EPERM)) continue;
    if (length < 0) return ErrnoStatus(errno, fmt::format("{}: {}", path.native(), name));
    entry.xattrs[name].assign(value.data(), static_cast<size_t>(length));
  }
  return absl::OkStatus();
}

class DirectorySource final : public EntrySource {
 public:
  explicit DirectorySource(std::filesystem::path root) : root_(std::move(root)), buffer_(kBuffer) {}

  absl::Status Open() {
    struct stat about {};
    if (stat(root_.c_str(), &about) != 0) return ErrnoStatus(errno, root_.native());
    if (!S_ISDIR(about.st_mode)) return InvalidArgument("{}: not a folder", root_.native());
    device_ = about.st_dev;
    pending_.push_back("");
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<Entry>> Next() override {
    file_.Reset();
    if (pending_.empty()) return std::nullopt;
    const std::string relative = std::move(pending_.back());
    pending_.pop_back();
    const std::filesystem::path path = relative.empty() ? root_ / "." : root_ / relative;
    struct stat about {};
    if (lstat(path.c_str(), &about) != 0) return ErrnoStatus(errno, path.native());
    Entry entry = FromStat(about);
    entry.path = relative;
    if (entry.type != EntryType::kDirectory && about.st_nlink > 1) {
      const auto [first, is_new] = links_.try_emplace({about.st_dev, about.st_ino}, relative);
      if (!is_new) {
        entry.type = EntryType::kHardLink;
        entry.target = first->second;
        return entry;
      }
    }
    RETURN_IF_ERROR(ReadAttributes(path, entry));
    RETURN_IF_ERROR(ReadByType(path, about, entry));
    return entry;
  }

  absl::StatusOr<std::optional<EntryBlock>> NextBlock() override {
    if (!file_.valid()) return std::nullopt;
    const off_t data = lseek(file_.get(), offset_, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return std::nullopt;
    if (data >= 0) offset_ = data;
    const off_t hole = lseek(file_.get(), offset_, SEEK_HOLE);
    size_t want = buffer_.size();
    if (hole > offset_) want = std::min<size_t>(want, static_cast<size_t>(hole - offset_));
    ssize_t got = 0;
    do {
      got = pread(file_.get(), buffer_.data(), want, offset_);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return ErrnoStatus(errno, root_.native());
    if (got == 0) return std::nullopt;
    const EntryBlock block{static_cast<uint64_t>(offset_),
                           {buffer_.data(), static_cast<size_t>(got)}};
    offset_ += got;
    bytes_read_ += static_cast<uint64_t>(got);
    return block;
  }

  uint64_t bytes_read() const override { return bytes_read_; }

 private:
  absl::Status ReadByType(const std::filesystem::path& path, const struct stat& about,
                          Entry& entry) {
    std::error_code error;
    if (entry.type == EntryType::kSymlink) {
      entry.target = std::filesystem::read_symlink(path, error).native();
      if (error) return ErrnoStatus(error.value(), path.native());
    } else if (entry.type == EntryType::kFile) {
      file_.Reset(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
      if (!file_.valid()) return ErrnoStatus(errno, path.native());
      offset_ = 0;
    } else if (entry.type == EntryType::kDirectory && about.st_dev == device_) {
      return QueueFolder(path, entry.path);
    }
    return absl::OkStatus();
  }

  absl::Status QueueFolder(const std::filesystem::path& path, const std::string& relative) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& child : std::filesystem::directory_iterator(path, error)) {
      names.push_back(child.path().filename().native());
    }
    if (error) return ErrnoStatus(error.value(), path.native());
    // The last one pushed is read first.
    std::sort(names.rbegin(), names.rend());
    for (std::string& name : names) {
      if (!relative.empty()) name.insert(0, relative + "/");
      pending_.push_back(std::move(name));
    }
    return absl::OkStatus();
  }

  const std::filesystem::path root_;
  std::vector<char> buffer_;
  dev_t device_ = 0;
  std::vector<std::string> pending_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  UniqueFd file_;
  off_t offset_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EntrySource>> OpenDirectorySource(
    const std::filesystem::path& path) {
  auto source = std::make_unique<DirectorySource>(path);
  RETURN_IF_ERROR(source->Open());
  return source;
}

}  // namespace ember::images
