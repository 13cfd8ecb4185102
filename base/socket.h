#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

// Unix stream sockets. All descriptors made here are close-on-exec and non-blocking.
namespace ember {

// The longest path of a Unix socket that works on every system we run on: macOS has 104 bytes with
// the final NUL.
inline constexpr size_t kMaxSocketPath = 103;

// InvalidArgument with the length, the limit, the path and a hint when `path` is too long for a
// socket.
absl::Status CheckSocketPath(const std::filesystem::path& path);

// Listens at `path` with file mode `mode` from the first instant on (no window in which others may
// connect). A stale socket file that nobody listens on is replaced; one that is answered is
// AlreadyExists. The caller removes the file when done.
absl::StatusOr<UniqueFd> ListenUnix(const std::filesystem::path& path, mode_t mode,
                                    int backlog = 128);

// Connects at once or fails: NotFound without a file, Unavailable when nobody listens or the
// backlog is full.
absl::StatusOr<UniqueFd> ConnectUnix(const std::filesystem::path& path);

// Accepts one connection, or an invalid UniqueFd when none waits. Never blocks.
absl::StatusOr<UniqueFd> AcceptUnix(int listener);

// A connected pair.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair();

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
// Who connected (SO_PEERCRED); of a socket that we connected: who listens.
absl::StatusOr<PeerCredentials> PeerOf(int fd);

absl::Status SetNonBlocking(int fd);

// Write or read exactly so many bytes of a non-blocking descriptor, waiting as `cancellation`
// allows. A peer that is gone is Unavailable. They block: never on `io` or `host`.
absl::Status WriteFully(int fd, std::string_view bytes, const Cancellation& cancellation);
absl::Status ReadFully(int fd, char* buffer, size_t size, const Cancellation& cancellation);

}  // namespace ember
