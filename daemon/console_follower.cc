#include "daemon/console_follower.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "daemon/console_log.h"

namespace ember::daemon {
namespace {

// Hands on what the file has beyond `offset`; begins anew when it has become shorter.
absl::Status CopyNew(const std::filesystem::path& path, off_t& offset,
                     const std::function<absl::Status(std::string_view)>& write) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    offset = 0;
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, path.native());
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, path.native());
  if (info.st_size < offset) offset = 0;
  std::array<char, 32768> buffer;
  while (true) {
    const ssize_t got = pread(fd.get(), buffer.data(), buffer.size(), offset);
    if (got < 0) return ErrnoStatus(errno, path.native());
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(write({buffer.data(), static_cast<size_t>(got)}));
    offset += got;
  }
}

}  // namespace

absl::Status FollowConsole(const std::filesystem::path& path, size_t tail_bytes,
                           const Cancellation& cancellation,
                           const std::function<absl::Status(std::string_view)>& write) {
  // The directory is watched: the file itself comes and goes with every boot.
  UniqueFd changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes.valid()) return ErrnoStatus(errno, "inotify");
  const uint32_t events = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_DELETE_SELF;
  if (inotify_add_watch(changes.get(), path.parent_path().c_str(), events) < 0) {
    return ErrnoStatus(errno, path.parent_path().native());
  }
  ASSIGN_OR_RETURN(const ConsoleEnd now,
                   ConsoleTailAndEnd(path, tail_bytes == 0 ? 2 * kConsoleLimit : tail_bytes));
  auto offset = static_cast<off_t>(now.offset);
  if (!now.tail.empty()) RETURN_IF_ERROR(write(now.tail));
  while (true) {
    RETURN_IF_ERROR(cancellation.WaitReadable(changes.get(), "console"));
    alignas(inotify_event) std::array<char, 4096> batch;
    const ssize_t got = read(changes.get(), batch.data(), batch.size());
    // The VM's directory is gone: so is the console.
    if (got > 0 && access(path.parent_path().c_str(), F_OK) != 0) return absl::OkStatus();
    RETURN_IF_ERROR(CopyNew(path, offset, write));
  }
}

}  // namespace ember::daemon
