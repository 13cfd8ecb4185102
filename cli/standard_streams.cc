#include "cli/standard_streams.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"

namespace ember::cli {
namespace {

// Writes all of `bytes`; the errno of the failure, or 0. The descriptor may be non-blocking because
// somebody who shares it made it so.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

absl::Status WriteStdout(std::string_view bytes) {
  const int error = WriteAll(STDOUT_FILENO, bytes);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "writing to stdout");
}

void WriteStderr(std::string_view bytes) { (void)WriteAll(STDERR_FILENO, bytes); }

}  // namespace ember::cli
