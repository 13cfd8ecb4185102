#include "backends/storage/file_extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace ember::storage {
namespace {

constexpr uint32_t kBatch = 256;
constexpr uint32_t kNotLocated = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DATA_INLINE |
                                 FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_ENCODED;

// A request with room for the answer behind it, as the kernel wants it.
struct Request {
  alignas(fiemap) char bytes[sizeof(fiemap) + kBatch * sizeof(fiemap_extent)];

  fiemap& head() { return *reinterpret_cast<fiemap*>(bytes); }
};

bool MeansNotTold(int error) {
  return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EBADR;
}

}  // namespace

absl::StatusOr<std::optional<std::vector<Extent>>> ReadExtents(int fd, ExtentSync sync) {
  std::vector<Extent> extents;
  Request request;
  for (uint64_t start = 0;;) {
    std::memset(request.bytes, 0, sizeof(request.bytes));
    fiemap& map = request.head();
    map.fm_start = start;
    map.fm_length = FIEMAP_MAX_OFFSET - start;
    map.fm_flags = sync == ExtentSync::kYes ? FIEMAP_FLAG_SYNC : 0;
    map.fm_extent_count = kBatch;
    if (ioctl(fd, FS_IOC_FIEMAP, &map) != 0) {
      if (errno == EINTR) continue;
      if (MeansNotTold(errno)) return std::nullopt;
      return ErrnoStatus(errno, "FIEMAP");
    }
    for (uint32_t i = 0; i < map.fm_mapped_extents; ++i) {
      const fiemap_extent& one = map.fm_extents[i];
      extents.push_back({one.fe_physical, one.fe_length, (one.fe_flags & FIEMAP_EXTENT_SHARED) != 0,
                         (one.fe_flags & kNotLocated) == 0});
      start = one.fe_logical + one.fe_length;
      if ((one.fe_flags & FIEMAP_EXTENT_LAST) != 0) return extents;
    }
    if (map.fm_mapped_extents == 0) return extents;
  }
}

uint64_t DistinctBytes(std::vector<Extent> extents) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.physical < b.physical; });
  uint64_t bytes = 0;
  uint64_t counted_to = 0;  // physical
  for (const Extent& extent : extents) {
    if (!extent.located) {
      bytes += extent.length;
      continue;
    }
    const uint64_t end = extent.physical + extent.length;
    const uint64_t from = std::max(extent.physical, counted_to);
    if (end > from) bytes += end - from;
    counted_to = std::max(counted_to, end);
  }
  return bytes;
}

}  // namespace ember::storage
