#include "guest-agent/json/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

constexpr size_t kSmallPiece = 4096;
constexpr size_t kPiece = size_t{1} << 20;

absl::Status TooLarge(size_t limit) {
  return ResourceExhausted("the file is larger than {} bytes", limit);
}

absl::StatusOr<size_t> CheckedSize(int file, size_t limit) {
  struct stat info;
  if (fstat(file, &info) != 0) return ErrnoStatus(errno, "stat");
  if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, "open");
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("it is not a regular file");
  if (static_cast<uint64_t>(info.st_size) > limit) return TooLarge(limit);
  return static_cast<size_t>(info.st_size);
}

}  // namespace

absl::StatusOr<std::string> ReadRegularFile(int folder, const std::string& name, LinkPolicy links,
                                            size_t limit, const Cancellation& cancellation) {
  // O_NONBLOCK: opening a FIFO would wait for its other end.
  const int follow = links == LinkPolicy::kKeep ? O_NOFOLLOW : 0;
  const UniqueFd file(
      openat(folder, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | follow));
  if (!file.valid()) return ErrnoStatus(errno, "open");
  ASSIGN_OR_RETURN(const size_t size, CheckedSize(file.get(), limit));
  std::string content;
  content.reserve(size);
  std::string piece(std::clamp<size_t>(size, kSmallPiece, kPiece), '\0');
  while (true) {
    RETURN_IF_ERROR(cancellation.Check("read"));
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read");
    if (got == 0) return content;
    content.append(piece, 0, static_cast<size_t>(got));
    // Files of /proc tell a size of 0, and others grow.
    if (content.size() > limit) return TooLarge(limit);
  }
}

}  // namespace ember::agent
