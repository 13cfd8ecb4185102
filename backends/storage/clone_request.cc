#include "backends/storage/clone_request.h"

#include <sys/stat.h>

#include <cerrno>
#include <limits>

#include "base/status.h"

namespace ember::storage {

absl::Status CheckCloneRequest(const std::filesystem::path& source, uint64_t size_bytes) {
  struct stat info;
  if (stat(source.c_str(), &info) != 0) return ErrnoStatus(errno, source.native());
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{} is not a regular file", source.native());
  const auto source_bytes = static_cast<uint64_t>(info.st_size);
  if (size_bytes < source_bytes) {
    return WithHint(InvalidArgument("a disk of {} bytes cannot hold the image's {} bytes ({})",
                                    size_bytes, source_bytes, source.native()),
                    "ask for a larger disk, or leave the size out to get the image's own");
  }
  if (size_bytes % 512 != 0 || size_bytes > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return InvalidArgument("a disk cannot have {} bytes: not a number of 512-byte sectors",
                           size_bytes);
  }
  return absl::OkStatus();
}

}  // namespace ember::storage
