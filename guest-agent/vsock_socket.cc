#include "guest-agent/vsock_socket.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

// After <sys/socket.h>, which it needs.
#include <linux/vm_sockets.h>

#include "base/status.h"

namespace ember::agent {
namespace {

constexpr int kBacklog = 128;

absl::StatusOr<UniqueFd> MakeSocket() {
  UniqueFd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.valid()) return fd;
  if (errno == EAFNOSUPPORT) return Unavailable("this kernel has no AF_VSOCK");
  return ErrnoStatus(errno, "vsock socket");
}

sockaddr_vm AddressOf(uint32_t cid, uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

}  // namespace

absl::StatusOr<UniqueFd> ListenVsock(uint32_t port) {
  auto fd = MakeSocket();
  if (!fd.ok()) return fd;
  const sockaddr_vm address = AddressOf(VMADDR_CID_ANY, port);
  if (bind(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EADDRINUSE) return AlreadyExists("vsock port {} is taken", port);
    return ErrnoStatus(errno, fmt::format("vsock port {}", port));
  }
  if (listen(fd->get(), kBacklog) != 0) {
    return ErrnoStatus(errno, fmt::format("listen on vsock port {}", port));
  }
  return fd;
}

absl::StatusOr<UniqueFd> BeginConnectToHost(uint32_t port) {
  auto fd = MakeSocket();
  if (!fd.ok()) return fd;
  const sockaddr_vm address = AddressOf(VMADDR_CID_HOST, port);
  if (connect(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    return ErrnoStatus(errno, fmt::format("connect to port {} of the host", port));
  }
  return fd;
}

bool PeerIsHost(int socket) {
  sockaddr_vm peer{};
  socklen_t size = sizeof(peer);
  return getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
         peer.svm_family == AF_VSOCK && peer.svm_cid == VMADDR_CID_HOST;
}

bool RunsInGuest() {
  const UniqueFd device(open("/dev/vsock", O_RDONLY | O_CLOEXEC));
  unsigned int cid = 0;
  return device.valid() && ioctl(device.get(), IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0 &&
         cid > VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

}  // namespace ember::agent
