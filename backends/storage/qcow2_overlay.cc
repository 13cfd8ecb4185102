#include "backends/storage/qcow2_overlay.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "backends/storage/new_file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::storage {
namespace {

constexpr uint64_t kMagic = 0x514649FB;  // "QFI\xfb"
constexpr uint64_t kVersion = 3;
constexpr int kClusterBits = 16;
constexpr uint64_t kCluster = uint64_t{1} << kClusterBits;
constexpr uint64_t kRefcountOrder = 4;  // 2^4 bits a cluster
constexpr uint64_t kHeaderBytes = 104;
constexpr uint64_t kBackingFormatExtension = 0xE2792ACA;
constexpr size_t kMaxBackingName = 1023;
constexpr uint64_t kMaxMapBytes = uint64_t{32} << 20;  // as QEMU
// A table of the second level is one cluster of 8-byte entries, each for one cluster of data.
constexpr uint64_t kBytesPerMapEntry = kCluster / 8 * kCluster;

// Positions in the head, and what is there.
constexpr size_t kVersionAt = 4, kBackingAt = 8, kBackingSizeAt = 16, kClusterBitsAt = 20,
                 kSizeAt = 24, kMapEntriesAt = 36, kMapOffsetAt = 40, kRefcountTableAt = 48,
                 kRefcountClustersAt = 56, kSnapshotsAt = 60, kIncompatibleAt = 72,
                 kRefcountOrderAt = 96, kHeaderBytesAt = 100;

void PutBig(std::string& bytes, size_t at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; ++i) {
    bytes[at + i] = static_cast<char>(value >> (8 * (width - 1 - i)));
  }
}

// The number at `at`, which lies within `bytes`.
uint64_t Big(std::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

std::optional<VolumeFormat> FormatOf(std::string_view name) {
  if (name == "raw") return VolumeFormat::kRaw;
  if (name == "qcow2") return VolumeFormat::kQcow2;
  return std::nullopt;
}

// The clusters of an empty overlay: head, table of counts, counts, map.
std::string EmptyOverlay(const std::string& backing, VolumeFormat backing_format,
                         uint64_t size_bytes) {
  const uint64_t map_bytes = (size_bytes + kBytesPerMapEntry - 1) / kBytesPerMapEntry * 8;
  const uint64_t clusters = 3 + std::max<uint64_t>(1, RoundUp(map_bytes, kCluster) / kCluster);
  const std::string_view format = VolumeFormatName(backing_format);
  const uint64_t format_end = kHeaderBytes + 8 + RoundUp(format.size(), 8);
  const uint64_t backing_at = format_end + 8;  // behind the end of the extensions

  std::string bytes(3 * kCluster, '\0');
  PutBig(bytes, 0, 4, kMagic);
  PutBig(bytes, kVersionAt, 4, kVersion);
  PutBig(bytes, kBackingAt, 8, backing_at);
  PutBig(bytes, kBackingSizeAt, 4, backing.size());
  PutBig(bytes, kClusterBitsAt, 4, kClusterBits);
  PutBig(bytes, kSizeAt, 8, size_bytes);
  PutBig(bytes, kMapEntriesAt, 4, map_bytes / 8);
  PutBig(bytes, kMapOffsetAt, 8, 3 * kCluster);
  PutBig(bytes, kRefcountTableAt, 8, kCluster);
  PutBig(bytes, kRefcountClustersAt, 4, 1);
  PutBig(bytes, kRefcountOrderAt, 4, kRefcountOrder);
  PutBig(bytes, kHeaderBytesAt, 4, kHeaderBytes);
  PutBig(bytes, kHeaderBytes, 4, kBackingFormatExtension);
  PutBig(bytes, kHeaderBytes + 4, 4, format.size());
  std::copy(format.begin(), format.end(), bytes.begin() + kHeaderBytes + 8);
  std::copy(backing.begin(), backing.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(backing_at));
  PutBig(bytes, kCluster, 8, 2 * kCluster);
  for (uint64_t cluster = 0; cluster < clusters; ++cluster) {
    PutBig(bytes, 2 * kCluster + 2 * cluster, 2, 1);
  }
  return bytes;
}

// Writes what is not zero, so that the rest takes no space.
absl::Status WriteSparsely(const NewFile& file, std::string_view bytes, uint64_t file_bytes) {
  constexpr size_t kBlock = 4096;
  if (ftruncate(file.fd(), static_cast<off_t>(file_bytes)) != 0) {
    return ErrnoStatus(errno, file.path().native());
  }
  for (size_t at = 0; at < bytes.size(); at += kBlock) {
    const std::string_view block = bytes.substr(at, kBlock);
    if (block.find_first_not_of('\0') == std::string_view::npos) continue;
    const ssize_t written = pwrite(file.fd(), block.data(), block.size(), static_cast<off_t>(at));
    if (written != static_cast<ssize_t>(block.size())) {
      return ErrnoStatus(written < 0 ? errno : ENOSPC, file.path().native());
    }
  }
  return absl::OkStatus();
}

// Up to `size` bytes from `at`; fewer where the file ends.
absl::StatusOr<std::string> ReadAt(int fd, uint64_t at, size_t size, const std::string& path) {
  std::string bytes(size, '\0');
  size_t got = 0;
  while (got < size) {
    const ssize_t count = pread(fd, bytes.data() + got, size - got, static_cast<off_t>(at + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, path);
    if (count == 0) break;
    got += static_cast<size_t>(count);
  }
  bytes.resize(got);
  return bytes;
}

// The backing file's format from the extensions behind the head.
std::optional<VolumeFormat> ReadBackingFormat(std::string_view bytes, uint64_t at) {
  while (at + 8 <= bytes.size()) {
    const uint64_t type = Big(bytes, at, 4);
    const uint64_t size = Big(bytes, at + 4, 4);
    if (type == 0 || size > bytes.size() - at - 8) return std::nullopt;
    if (type == kBackingFormatExtension) return FormatOf(bytes.substr(at + 8, size));
    at += 8 + RoundUp(size, 8);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Volume> CreateOverlay(const std::filesystem::path& backing,
                                     VolumeFormat backing_format, const CloneTarget& target,
                                     uint64_t size_bytes) {
  // A relative name would be looked up next to the overlay.
  std::error_code error;
  const std::string name = std::filesystem::absolute(backing, error).native();
  if (error) return ErrnoStatus(error.value(), backing.native());
  if (name.size() > kMaxBackingName) {
    return WithHint(InvalidArgument("{}: a disk can't lie over a file whose path has {} bytes",
                                    name, name.size()),
                    fmt::format("choose a state directory with a shorter path: up to {} bytes",
                                kMaxBackingName));
  }
  if (size_bytes % 512 != 0 || size_bytes / kBytesPerMapEntry >= kMaxMapBytes / 8) {
    return InvalidArgument("a qcow2 disk cannot have {} bytes", size_bytes);
  }
  const std::string bytes = EmptyOverlay(name, backing_format, size_bytes);
  const uint64_t map_bytes = (size_bytes + kBytesPerMapEntry - 1) / kBytesPerMapEntry * 8;
  const uint64_t file_bytes =
      bytes.size() + std::max<uint64_t>(kCluster, RoundUp(map_bytes, kCluster));
  ASSIGN_OR_RETURN(NewFile file, NewFile::Create(target.dir / (target.stem + ".qcow2")));
  RETURN_IF_ERROR(WriteSparsely(file, bytes, file_bytes));
  RETURN_IF_ERROR(file.Finish());
  return Volume{file.path(), VolumeFormat::kQcow2, size_bytes};
}

absl::StatusOr<Qcow2Header> ParseQcow2Header(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || Big(bytes, 0, 4) != kMagic ||
      Big(bytes, kVersionAt, 4) != kVersion) {
    return DataLoss("not a qcow2 file of version 3");
  }
  Qcow2Header header;
  header.size_bytes = Big(bytes, kSizeAt, 8);
  header.map_offset = Big(bytes, kMapOffsetAt, 8);
  header.map_bytes = Big(bytes, kMapEntriesAt, 4) * 8;
  // The lazy kind of counts (bit 0 of incompatible) is dirty only after an unclean end.
  header.plain = Big(bytes, kSnapshotsAt, 4) == 0 && Big(bytes, kIncompatibleAt, 8) == 0;
  const uint64_t backing_at = Big(bytes, kBackingAt, 8);
  const uint64_t backing_size = Big(bytes, kBackingSizeAt, 4);
  const uint64_t header_bytes = Big(bytes, kHeaderBytesAt, 4);
  if (header.map_bytes > kMaxMapBytes || header.map_offset > INT64_MAX - kMaxMapBytes ||
      header_bytes < kHeaderBytes || header_bytes > bytes.size()) {
    return DataLoss("the head of a qcow2 file makes no sense");
  }
  if (backing_at == 0) return header;
  if (backing_size > kMaxBackingName || backing_at > bytes.size() ||
      backing_size > bytes.size() - backing_at) {
    return DataLoss("the name of a qcow2 file's backing file lies outside of its head");
  }
  header.backing = std::string(bytes.substr(backing_at, backing_size));
  header.backing_format = ReadBackingFormat(bytes, header_bytes);
  return header;
}

absl::StatusOr<Qcow2Header> ReadQcow2Header(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  ASSIGN_OR_RETURN(const std::string bytes, ReadAt(fd.get(), 0, kCluster, path.native()));
  auto header = ParseQcow2Header(bytes);
  if (!header.ok()) return Annotate(header.status(), path.native());
  return header;
}

absl::StatusOr<bool> IsUntouched(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Qcow2Header header, ReadQcow2Header(path));
  if (!header.plain || header.backing.empty()) return false;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path.native());
  ASSIGN_OR_RETURN(const std::string map,
                   ReadAt(fd.get(), header.map_offset, header.map_bytes, path.native()));
  return map.find_first_not_of('\0') == std::string::npos;
}

}  // namespace ember::storage
