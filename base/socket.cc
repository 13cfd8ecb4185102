#include "base/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember {
namespace {

constexpr int kStreamFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

sockaddr_un AddressOf(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

int Bind(int fd, const std::filesystem::path& path) {
  const sockaddr_un address = AddressOf(path);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

// Connects `fd`; an errno value, 0 for success.
int Connect(int fd, const std::filesystem::path& path) {
  const sockaddr_un address = AddressOf(path);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

// Removes a socket file that nobody listens on; AlreadyExists where somebody does or the file is no
// socket. Only a refused connection shows that nobody does: a listener with a full backlog, or one
// that we may not talk to, is there.
absl::Status RemoveStale(const std::filesystem::path& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return AlreadyExists("{}: exists and is not a socket", path.native());
  }
  const UniqueFd fd(socket(AF_UNIX, kStreamFlags, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int error = Connect(fd.get(), path);
  if (error != ECONNREFUSED && error != ENOENT) {
    return AlreadyExists("{}: another process listens there", path.native());
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path.native());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSocketPath(const std::filesystem::path& path) {
  const size_t length = path.native().size();
  if (length <= kMaxSocketPath) return absl::OkStatus();
  return WithHint(InvalidArgument("socket path is {} bytes long, the limit is {}: {}", length,
                                  kMaxSocketPath, path.native()),
                  "use a shorter --state-dir or a shorter VM name");
}

absl::StatusOr<UniqueFd> ListenUnix(const std::filesystem::path& path, mode_t mode, int backlog) {
  RETURN_IF_ERROR(CheckSocketPath(path));
  RETURN_IF_ERROR(RemoveStale(path));
  UniqueFd fd(socket(AF_UNIX, kStreamFlags, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  // Linux gives the file the socket's own mode (less the umask), so the file never exists with a
  // wider one.
  if (fchmod(fd.get(), mode & 0600) != 0) return ErrnoStatus(errno, "fchmod");
  if (Bind(fd.get(), path) != 0) return ErrnoStatus(errno, fmt::format("bind {}", path.native()));
  if (chmod(path.c_str(), mode) != 0 || listen(fd.get(), backlog) != 0) {
    const absl::Status status = ErrnoStatus(errno, fmt::format("listen {}", path.native()));
    unlink(path.c_str());
    return status;
  }
  return fd;
}

absl::StatusOr<UniqueFd> ConnectUnix(const std::filesystem::path& path) {
  RETURN_IF_ERROR(CheckSocketPath(path));
  UniqueFd fd(socket(AF_UNIX, kStreamFlags, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int error = Connect(fd.get(), path);
  if (error == 0) return fd;
  if (error == EAGAIN) return Unavailable("connect {}: too many connections wait", path.native());
  return ErrnoStatus(error, fmt::format("connect {}", path.native()));
}

absl::StatusOr<UniqueFd> AcceptUnix(int listener) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.valid()) return fd;
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return UniqueFd();
  return ErrnoStatus(errno, "accept");
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, kStreamFlags, 0, fds) != 0) return ErrnoStatus(errno, "socketpair");
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::StatusOr<PeerCredentials> PeerOf(int fd) {
  ucred peer;
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return ErrnoStatus(errno, "SO_PEERCRED");
  }
  return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

absl::Status SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl");
  return absl::OkStatus();
}

absl::Status WriteFully(int fd, std::string_view bytes, const Cancellation& cancellation) {
  while (!bytes.empty()) {
    const ssize_t written = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written > 0) {
      bytes.remove_prefix(written);
    } else if (written < 0 && errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation.WaitWritable(fd, "write"));
    } else if (written < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "write");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadFully(int fd, char* buffer, size_t size, const Cancellation& cancellation) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = recv(fd, buffer + done, size - done, 0);
    if (got > 0) {
      done += got;
    } else if (got == 0) {
      return Unavailable("the peer closed the connection after {} of {} bytes", done, size);
    } else if (errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation.WaitReadable(fd, "read"));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "read");
    }
  }
  return absl::OkStatus();
}

}  // namespace ember
