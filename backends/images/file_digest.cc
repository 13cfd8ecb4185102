#include "backends/images/file_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "backends/images/sha256.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::images {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

// Where the bytes that are stored begin at or after `offset`; `size` when only a hole follows or
// the filesystem knows no holes at all and `offset` is the end.
off_t NextData(int fd, off_t offset, off_t size) {
  const off_t data = lseek(fd, offset, SEEK_DATA);
  if (data >= 0) return std::min(data, size);
  return errno == ENXIO ? size : offset;
}

off_t NextHole(int fd, off_t offset, off_t size) {
  const off_t hole = lseek(fd, offset, SEEK_HOLE);
  return hole < 0 ? size : std::min(hole, size);
}

}  // namespace

absl::StatusOr<std::string> DigestFile(const std::filesystem::path& path, const ProgressSink& sink,
                                       const Cancellation& cancellation) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!fd.valid() || fstat(fd.get(), &about) != 0) return ErrnoStatus(errno, path.native());
  const std::vector<char> zeros(kChunk);
  std::vector<char> buffer(kChunk);
  Sha256 sha;
  for (off_t offset = 0; offset < about.st_size;) {
    RETURN_IF_ERROR(cancellation.Check("hashing"));
    const off_t data = NextData(fd.get(), offset, about.st_size);
    for (; offset < data; offset += std::min<off_t>(kChunk, data - offset)) {
      sha.Add({zeros.data(), static_cast<size_t>(std::min<off_t>(kChunk, data - offset))});
    }
    const off_t end = NextHole(fd.get(), offset, about.st_size);
    while (offset < end) {
      const size_t want = static_cast<size_t>(std::min<off_t>(kChunk, end - offset));
      const ssize_t got = pread(fd.get(), buffer.data(), want, offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, path.native());
      if (got == 0) return DataLoss("{} became shorter while it was read", path.native());
      sha.Add({buffer.data(), static_cast<size_t>(got)});
      offset += got;
    }
    Report(sink, {"hashing", path.filename().native(), static_cast<uint64_t>(offset),
                  static_cast<uint64_t>(about.st_size)});
  }
  return sha.Finish();
}

std::string DigestBytes(std::string_view bytes) {
  Sha256 sha;
  sha.Add(bytes);
  return sha.Finish();
}

}  // namespace ember::images
