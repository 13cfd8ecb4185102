#include "daemon/guest_address.h"

namespace ember::daemon {

agent::v1::Address GuestAddress(const state::ForwardSide& guest) {
  agent::v1::Address address;
  if (guest.kind == state::SocketKind::kUnix) {
    address.set_unix_path(guest.path);
  } else {
    address.set_tcp_port(guest.port);
  }
  return address;
}

agent::v1::ClientFrame ConnectFrame(const state::ForwardSide& guest) {
  agent::v1::ClientFrame frame;
  *frame.mutable_connect_stream()->mutable_address() = GuestAddress(guest);
  return frame;
}

}  // namespace ember::daemon
