#include "daemon/host_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/inet_socket.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::daemon {
namespace {

constexpr mode_t kSocketMode = 0600;

// A dead socket of another user is not ours to replace, even where root could.
absl::Status CheckOwner(const std::filesystem::path& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || info.st_uid == geteuid()) return absl::OkStatus();
  return AlreadyExists("{}: exists and belongs to another user", path.native());
}

}  // namespace

absl::StatusOr<HostSocket> HostSocket::Open(const state::ForwardSide& side) {
  HostSocket socket;
  switch (side.kind) {
    case state::SocketKind::kTcp: {
      ASSIGN_OR_RETURN(socket.fd_, ListenTcp(side.ip, side.port));
      break;
    }
    case state::SocketKind::kUdp: {
      ASSIGN_OR_RETURN(socket.fd_, BindUdp(side.ip, side.port));
      break;
    }
    case state::SocketKind::kUnix: {
      RETURN_IF_ERROR(CheckOwner(side.path));
      ASSIGN_OR_RETURN(socket.fd_, ListenUnix(side.path, kSocketMode));
      struct stat info;
      if (lstat(side.path.c_str(), &info) != 0) return ErrnoStatus(errno, side.path);
      socket.path_ = side.path;
      socket.device_ = info.st_dev;
      socket.inode_ = info.st_ino;
      break;
    }
  }
  return socket;
}

HostSocket::HostSocket(HostSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

HostSocket& HostSocket::operator=(HostSocket&& other) noexcept {
  if (this != &other) {
    RemoveFile();
    fd_ = std::move(other.fd_);
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

bool HostSocket::RemoveFile() {
  if (path_.empty()) return false;
  struct stat info;
  const bool ours =
      lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
  if (ours) unlink(path_.c_str());
  path_.clear();
  return ours;
}

}  // namespace ember::daemon
