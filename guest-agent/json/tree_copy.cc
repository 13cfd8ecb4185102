#include "guest-agent/json/tree_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "guest-agent/json/file_attributes.h"
#include "guest-agent/json/folder.h"

namespace ember::agent {
namespace {

constexpr size_t kMostDepth = 200;  // each level holds two descriptors
constexpr size_t kPiece = size_t{256} << 10;

absl::Status WriteAt(int fd, std::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status CopyRange(int from, int to, off_t start, off_t end, const Cancellation& cancellation) {
  std::string piece(kPiece, '\0');
  while (start < end) {
    RETURN_IF_ERROR(cancellation.Check("copy"));
    const size_t want = static_cast<size_t>(std::min<off_t>(end - start, kPiece));
    const ssize_t got = pread(from, piece.data(), want, start);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read");
    if (got == 0) break;  // it has become shorter
    RETURN_IF_ERROR(WriteAt(to, {piece.data(), static_cast<size_t>(got)}, start));
    start += got;
  }
  return absl::OkStatus();
}

// Without what lies in holes.
absl::Status CopyExtents(int from, int to, off_t size, const Cancellation& cancellation) {
  if (ftruncate(to, size) != 0) return ErrnoStatus(errno, "truncate");
  off_t end = 0;
  while (end < size) {
    const off_t start = lseek(from, end, SEEK_DATA);
    if (start < 0) return errno == ENXIO ? absl::OkStatus() : ErrnoStatus(errno, "seek");
    end = std::min(lseek(from, start, SEEK_HOLE), size);
    if (end < 0) return ErrnoStatus(errno, "seek");
    RETURN_IF_ERROR(CopyRange(from, to, start, end, cancellation));
  }
  return absl::OkStatus();
}

}  // namespace

// One directory, and its copy.
struct TreeCopy::Place {
  int from;
  int to;
  std::string path;  // of the copy below the top, with a '/' behind it
};

absl::Status Budget::Charge(uint64_t bytes) {
  used_ = bytes > UINT64_MAX - used_ ? UINT64_MAX : used_ + bytes;
  if (used_ <= quota_) return absl::OkStatus();
  return ResourceExhausted("the checkpoints would take at least {} bytes, over the quota of {}",
                           used_, quota_);
}

absl::Status TreeCopy::CopyInto(int from, int to) {
  top_ = to;
  linked_.clear();
  return CopyFolder({from, to, ""}, 0);
}

absl::Status TreeCopy::CopyFolder(const Place& place, size_t depth) {
  struct stat info;
  if (fstat(place.from, &info) != 0) return ErrnoStatus(errno, place.path);
  if (depth > kMostDepth) return ResourceExhausted("'{}' is too deep a folder", place.path);
  ASSIGN_OR_RETURN(const auto names, NamesIn(place.from));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(cancellation_.Check("copy"));
    absl::Status copied = CopyEntry(place, name, depth);
    // Something that is removed while we look is not there.
    if (!copied.ok() && !absl::IsNotFound(copied)) return copied;
  }
  return CopyAttributes(place.from, place.to, info);
}

absl::Status TreeCopy::CopyEntry(const Place& place, const std::string& name, size_t depth) {
  struct stat info;
  if (fstatat(place.from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, place.path + name);
  }
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
      return CopyBelow(place, name, depth);
    case S_IFREG: {
      if (info.st_nlink > 1 && LinkedAgain(place, name)) return absl::OkStatus();
      RETURN_IF_ERROR(CopyFile(place.from, name, place.to, name));
      if (info.st_nlink > 1) linked_[{info.st_dev, info.st_ino}] = place.path + name;
      return absl::OkStatus();
    }
    case S_IFLNK:
      return CopyLink(place, name);
    case S_IFSOCK:
      return absl::OkStatus();
    default:
      return CopySpecial(place, name);
  }
}

bool TreeCopy::LinkedAgain(const Place& place, const std::string& name) {
  struct stat info;
  if (fstatat(place.from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const auto found = linked_.find({info.st_dev, info.st_ino});
  if (found == linked_.end()) return false;
  if (linkat(top_, found->second.c_str(), place.to, name.c_str(), 0) != 0) return false;
  ++count_;
  return true;
}

absl::Status TreeCopy::CopyBelow(const Place& place, const std::string& name, size_t depth) {
  const std::string path = place.path + name;
  ASSIGN_OR_RETURN(const UniqueFd from, OpenFolderAt(place.from, name));
  if (mkdirat(place.to, name.c_str(), 0700) != 0) return ErrnoStatus(errno, path);
  ++count_;
  ASSIGN_OR_RETURN(const UniqueFd to, OpenFolderAt(place.to, name));
  if (IsMountPoint(from.get())) return absl::OkStatus();
  return CopyFolder({from.get(), to.get(), path + "/"}, depth + 1);
}

absl::Status TreeCopy::CopyFile(int from, const std::string& name, int to,
                                const std::string& new_name) {
  const UniqueFd source(
      openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!source.valid()) return ErrnoStatus(errno, name);
  struct stat info;
  if (fstat(source.get(), &info) != 0) return ErrnoStatus(errno, name);
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("'{}' is not a regular file", name);
  const UniqueFd copy(
      openat(to, new_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!copy.valid()) return ErrnoStatus(errno, new_name);
  ++count_;
  RETURN_IF_ERROR(Annotate(CopyContent(source.get(), copy.get(), info.st_size), name));
  return Annotate(CopyAttributes(source.get(), copy.get(), info), name);
}

absl::Status TreeCopy::CopyContent(int from, int to, off_t size) {
  const bool cloned = ioctl(to, FICLONE, from) == 0;
  if (!cloned && method_ == CopyMethod::kClone) {
    if (errno == ENOSPC || errno == EDQUOT || errno == EIO) return ErrnoStatus(errno, "clone");
    return MakeStatus(absl::StatusCode::kUnimplemented, "the file system can't clone files");
  }
  RETURN_IF_ERROR(budget_.Charge(static_cast<uint64_t>(size)));
  return cloned ? absl::OkStatus() : CopyExtents(from, to, size, cancellation_);
}

absl::Status TreeCopy::CopyLink(const Place& place, const std::string& name) {
  const std::string path = place.path + name;
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(place.from, name.c_str(), target.data(), target.size());
  if (size < 0) return ErrnoStatus(errno, path);
  target.resize(static_cast<size_t>(size));
  struct stat info;
  if (fstatat(place.from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
      symlinkat(target.c_str(), place.to, name.c_str()) != 0) {
    return ErrnoStatus(errno, path);
  }
  ++count_;
  return Annotate(SetAttributesAt(place.to, name.c_str(), info), path);
}

// A FIFO or a device.
absl::Status TreeCopy::CopySpecial(const Place& place, const std::string& name) {
  struct stat info;
  if (fstatat(place.from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
      mknodat(place.to, name.c_str(), (info.st_mode & S_IFMT) | 0600, info.st_rdev) != 0) {
    return ErrnoStatus(errno, place.path + name);
  }
  ++count_;
  return Annotate(SetAttributesAt(place.to, name.c_str(), info), place.path + name);
}

}  // namespace ember::agent
