#include "daemon/rpc/forward_convert.h"

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::daemon::rpc {
namespace {

absl::StatusOr<state::ForwardSide> SideOf(state::SocketKind kind, const v1::TcpAddress& address) {
  if (address.port() > UINT16_MAX) {
    return WithHint(InvalidArgument("{} is no port", address.port()),
                    "give a port from 1 to 65535");
  }
  return state::ForwardSide{
      .kind = kind, .ip = address.ip(), .port = static_cast<uint16_t>(address.port())};
}

v1::SocketAddress ToProto(const state::ForwardSide& side) {
  v1::SocketAddress address;
  if (side.kind == state::SocketKind::kUnix) {
    address.set_unix_path(side.path);
    return address;
  }
  v1::TcpAddress& inet =
      side.kind == state::SocketKind::kTcp ? *address.mutable_tcp() : *address.mutable_udp();
  inet.set_ip(side.ip);
  inet.set_port(side.port);
  return address;
}

}  // namespace

absl::StatusOr<state::ForwardSide> FromProto(const v1::SocketAddress& address) {
  switch (address.where_case()) {
    case v1::SocketAddress::kTcp:
      return SideOf(state::SocketKind::kTcp, address.tcp());
    case v1::SocketAddress::kUdp:
      return SideOf(state::SocketKind::kUdp, address.udp());
    case v1::SocketAddress::kUnixPath:
      return state::ForwardSide{.kind = state::SocketKind::kUnix, .path = address.unix_path()};
    default:
      return InvalidArgument("an address is missing");
  }
}

v1::Forward ToProto(const ForwardView& view) {
  v1::Forward forward;
  forward.set_id(view.forward.id);
  forward.set_vm(view.vm_name);
  *forward.mutable_host() = ToProto(view.forward.host);
  *forward.mutable_guest() = ToProto(view.forward.guest);
  forward.set_reverse(view.forward.reverse);
  forward.set_serving(view.reason.empty());
  forward.set_reason(view.reason);
  forward.set_connections(view.connections);
  return forward;
}

}  // namespace ember::daemon::rpc
