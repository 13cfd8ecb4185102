#include "base/inet_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

absl::StatusOr<Address> ParseAddress(const std::string& ip, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  if (inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof(v4);
    return address;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof(v6);
    return address;
  }
  return InvalidArgument("'{}' is no IP address", ip);
}

std::string Describe(std::string_view verb, const std::string& ip, uint16_t port) {
  const bool v6 = ip.find(':') != std::string::npos;
  return fmt::format("{} {}{}{}:{}", verb, v6 ? "[" : "", ip, v6 ? "]" : "", port);
}

absl::StatusOr<UniqueFd> MakeSocket(const Address& address, int type) {
  UniqueFd fd(socket(address.storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int on = 1;
  if (address.storage.ss_family == AF_INET6 &&
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) {
    return ErrnoStatus(errno, "IPV6_V6ONLY");
  }
  return fd;
}

absl::StatusOr<UniqueFd> Bind(const std::string& ip, uint16_t port, int type) {
  ASSIGN_OR_RETURN(const Address address, ParseAddress(ip, port));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSocket(address, type));
  // A port whose last connections are still winding down is free all the same.
  const int on = 1;
  if (type == SOCK_STREAM && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
    return ErrnoStatus(errno, "SO_REUSEADDR");
  }
  if (bind(fd.get(), address.get(), address.size) == 0) return fd;
  if (errno == EADDRINUSE) {
    return AlreadyExists("{}: another socket has it", Describe("bind", ip, port));
  }
  return ErrnoStatus(errno, Describe("bind", ip, port));
}

}  // namespace

absl::StatusOr<UniqueFd> ListenTcp(const std::string& ip, uint16_t port, int backlog) {
  ASSIGN_OR_RETURN(UniqueFd fd, Bind(ip, port, SOCK_STREAM));
  if (listen(fd.get(), backlog) == 0) return fd;
  if (errno == EADDRINUSE) {
    return AlreadyExists("{}: another socket has it", Describe("listen", ip, port));
  }
  return ErrnoStatus(errno, Describe("listen", ip, port));
}

absl::StatusOr<UniqueFd> BeginConnectTcp(const std::string& ip, uint16_t port) {
  ASSIGN_OR_RETURN(const Address address, ParseAddress(ip, port));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSocket(address, SOCK_STREAM));
  SendWithoutDelay(fd.get());
  if (connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
    return ErrnoStatus(errno, Describe("connect", ip, port));
  }
  return fd;
}

absl::Status ConnectOutcome(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "connect");
}

absl::StatusOr<UniqueFd> BindUdp(const std::string& ip, uint16_t port) {
  return Bind(ip, port, SOCK_DGRAM);
}

absl::StatusOr<UniqueFd> ConnectUdp(const std::string& ip, uint16_t port) {
  ASSIGN_OR_RETURN(const Address address, ParseAddress(ip, port));
  ASSIGN_OR_RETURN(UniqueFd fd, MakeSocket(address, SOCK_DGRAM));
  if (connect(fd.get(), address.get(), address.size) == 0) return fd;
  return ErrnoStatus(errno, Describe("connect", ip, port));
}

absl::StatusOr<uint16_t> LocalPortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

void SendWithoutDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace ember
