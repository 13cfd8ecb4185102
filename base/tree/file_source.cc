#include "base/tree/file_source.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/sparse_map.h"
#include "base/tree/tar_header.h"

namespace ember::tree {
namespace {

// Up to this size a file is read before its header is made, and never looked at for holes.
constexpr size_t kSmall = size_t{128} << 10;
// A file in more pieces is sent with the holes between its last ones.
constexpr size_t kMaxExtents = 16384;
// The block in which the kernel counts what a file takes on disk.
constexpr uint64_t kDiskBlock = 512;

EntryKind KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryKind::kDirectory;
    case S_IFLNK:
      return EntryKind::kSymlink;
    case S_IFIFO:
      return EntryKind::kFifo;
    case S_IFCHR:
      return EntryKind::kCharDevice;
    case S_IFBLK:
      return EntryKind::kBlockDevice;
    default:
      return EntryKind::kFile;
  }
}

// Reads until `room` is full or the file ends.
absl::StatusOr<size_t> ReadFully(int fd, std::span<char> room) {
  size_t filled = 0;
  while (filled < room.size()) {
    const ssize_t count = ::read(fd, room.data() + filled, room.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "reading");
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  return filled;
}

std::string HeaderOf(const Entry& entry) {
  std::string header;
  AppendTarHeader(entry, Storage::kPlain, entry.size, header);
  return header;
}

// Completes a room that holds `content` bytes after the place of `header`.
void CommitEntry(const std::string& header, std::span<char> room, size_t content,
                 PieceWriter& out) {
  std::memcpy(room.data(), header.data(), header.size());
  const size_t padding = PaddingOf(content);
  std::memset(room.data() + header.size() + content, 0, padding);
  out.Commit(header.size() + content + padding);
}

// Header and content in one piece. The header's length does not depend on so small a size.
absl::StatusOr<uint64_t> SendSmall(int fd, Entry entry, PieceWriter& out) {
  std::string header = HeaderOf(entry);
  const size_t size = entry.size;
  ASSIGN_OR_RETURN(const std::span<char> room, out.Room(header.size() + size + kBlock));
  ASSIGN_OR_RETURN(const size_t content, ReadFully(fd, room.subspan(header.size(), size)));
  if (content != size) {
    entry.size = content;
    header = HeaderOf(entry);
  }
  CommitEntry(header, room, content, out);
  return content;
}

// Exactly `extent` of the file; what it no longer has comes as zeros.
absl::Status SendExtent(int fd, Extent extent, PieceWriter& out) {
  while (extent.size > 0) {
    ASSIGN_OR_RETURN(const std::span<char> room, out.Room(1));
    const size_t wanted = std::min<uint64_t>(room.size(), extent.size);
    const ssize_t count = ::pread(fd, room.data(), wanted, static_cast<off_t>(extent.offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "reading");
    if (count == 0) return out.WriteZeros(extent.size);
    out.Commit(static_cast<size_t>(count));
    extent.offset += static_cast<uint64_t>(count);
    extent.size -= static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SendLarge(int fd, const Entry& entry, PieceWriter& out) {
  RETURN_IF_ERROR(out.Write(HeaderOf(entry)));
  RETURN_IF_ERROR(SendExtent(fd, {0, entry.size}, out));
  RETURN_IF_ERROR(out.WriteZeros(PaddingOf(entry.size)));
  return entry.size;
}

// Where the file has content. All of it on a filesystem that does not tell.
std::vector<Extent> ExtentsOf(int fd, uint64_t size) {
  std::vector<Extent> extents;
  for (uint64_t end = 0; end < size;) {
    const off_t start = ::lseek(fd, static_cast<off_t>(end), SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;
    if (start < 0) return {{0, size}};
    if (static_cast<uint64_t>(start) >= size) break;
    const off_t hole = ::lseek(fd, start, SEEK_HOLE);
    const bool last = hole < 0 || extents.size() + 1 == kMaxExtents;
    end = last ? size : std::min<uint64_t>(static_cast<uint64_t>(hole), size);
    extents.push_back({static_cast<uint64_t>(start), end - static_cast<uint64_t>(start)});
  }
  extents.push_back({size, 0});  // GNU tar wants the end in the map
  return extents;
}

absl::StatusOr<uint64_t> SendSparse(int fd, const Entry& entry, PieceWriter& out) {
  const std::vector<Extent> extents = ExtentsOf(fd, entry.size);
  const std::string map = SparseMapText(extents);
  uint64_t content = 0;
  for (const Extent& extent : extents) content += extent.size;
  std::string header;
  AppendTarHeader(entry, Storage::kSparse, map.size() + content, header);
  RETURN_IF_ERROR(out.Write(header));
  RETURN_IF_ERROR(out.Write(map));
  for (const Extent& extent : extents) RETURN_IF_ERROR(SendExtent(fd, extent, out));
  RETURN_IF_ERROR(out.WriteZeros(PaddingOf(content)));
  return content;
}

}  // namespace

Entry EntryOf(const struct stat& status) {
  Entry entry;
  entry.kind = KindOf(status.st_mode);
  entry.mode = status.st_mode & 07777;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.modified = {status.st_mtim.tv_sec, static_cast<uint32_t>(status.st_mtim.tv_nsec)};
  entry.size = entry.kind == EntryKind::kFile ? static_cast<uint64_t>(status.st_size) : 0;
  entry.device_major = major(status.st_rdev);
  entry.device_minor = minor(status.st_rdev);
  return entry;
}

absl::StatusOr<uint64_t> SendFileContent(int fd, Entry entry, PieceWriter& out) {
  if (entry.size == 0) return SendUnsized(fd, std::move(entry), out);
  if (entry.size <= kSmall) return SendSmall(fd, std::move(entry), out);
  struct stat status {};
  const bool holes = ::fstat(fd, &status) == 0 &&
                     static_cast<uint64_t>(status.st_blocks) * kDiskBlock < entry.size;
  return holes ? SendSparse(fd, entry, out) : SendLarge(fd, entry, out);
}

absl::StatusOr<uint64_t> SendUnsized(int fd, Entry entry, PieceWriter& out,
                                     const Cancellation& cancellation) {
  entry.continued = true;
  entry.size = 0;
  const size_t header_size = HeaderOf(entry).size();
  uint64_t total = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::span<char> room, out.Room(header_size + kSmall));
    const size_t wanted = room.size() - header_size - kBlock;
    if (cancellation.token.stop_possible()) {
      RETURN_IF_ERROR(cancellation.WaitReadable(fd, "the input"));
    }
    const ssize_t count = ::read(fd, room.data() + header_size, wanted);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "reading");
    if (count == 0) break;
    entry.size = static_cast<uint64_t>(count);
    CommitEntry(HeaderOf(entry), room, entry.size, out);
    total += entry.size;
  }
  entry.continued = false;
  entry.size = 0;
  RETURN_IF_ERROR(out.Write(HeaderOf(entry)));
  return total;
}

}  // namespace ember::tree
