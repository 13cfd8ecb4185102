#include "daemon/forward_check.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/stream_dial.h"

namespace ember::daemon {
namespace {

using state::ForwardSide;
using state::SocketKind;

absl::Status CheckPath(const std::string& path, size_t longest) {
  const bool printable = std::none_of(
      path.begin(), path.end(), [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; });
  if (!path.starts_with('/') || !printable) {
    return WithHint(InvalidArgument("a socket's path must be absolute and printable"),
                    "give it as /path/name.sock");
  }
  if (path.size() <= longest) return absl::OkStatus();
  return WithHint(InvalidArgument("socket path is {} bytes long, the limit is {}: {}", path.size(),
                                  longest, path),
                  "use a shorter path");
}

absl::Status CheckIp(const std::string& ip) {
  in6_addr address;
  if (inet_pton(AF_INET, ip.c_str(), &address) == 1) return absl::OkStatus();
  if (inet_pton(AF_INET6, ip.c_str(), &address) == 1) return absl::OkStatus();
  return WithHint(InvalidArgument("the host's address is no IP address"),
                  "give an address of this host, e.g. 127.0.0.1");
}

absl::Status CheckPort(std::string_view side, uint16_t port) {
  if (port != 0) return absl::OkStatus();
  return WithHint(InvalidArgument("the {}'s port is missing", side), "give a port from 1 to 65535");
}

absl::Status CheckGuest(const ForwardSide& guest) {
  return guest.kind == SocketKind::kUnix ? CheckPath(guest.path, kLongestSocketPath)
                                         : CheckPort("guest", guest.port);
}

absl::Status CheckHost(ForwardSide& host, bool listens) {
  if (host.kind == SocketKind::kUnix) {
    return CheckPath(host.path, listens ? kMaxSocketPath : kLongestSocketPath);
  }
  if (host.ip.empty()) host.ip = "127.0.0.1";
  RETURN_IF_ERROR(CheckIp(host.ip));
  return listens ? absl::OkStatus() : CheckPort("host", host.port);
}

}  // namespace

absl::Status CheckForward(state::Forward& forward) {
  const bool host_udp = forward.host.kind == SocketKind::kUdp;
  if (host_udp != (forward.guest.kind == SocketKind::kUdp)) {
    return InvalidArgument("a forward of UDP leads from a UDP port to a UDP port");
  }
  if (host_udp && forward.reverse) {
    return InvalidArgument("a forward of UDP leads into the guest, not out of it");
  }
  RETURN_IF_ERROR(CheckGuest(forward.guest));
  return CheckHost(forward.host, !forward.reverse);
}

absl::Status CheckStreamTarget(const ForwardSide& guest) {
  if (guest.kind == SocketKind::kUdp) return InvalidArgument("a UDP port takes no stream");
  return CheckGuest(guest);
}

}  // namespace ember::daemon
