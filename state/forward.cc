#include "state/forward.h"

#include <fmt/format.h>

#include "base/check.h"
#include "state/port_allocator.h"

namespace ember::state {

std::string_view SocketKindName(SocketKind kind) {
  switch (kind) {
    case SocketKind::kTcp:
      return "tcp";
    case SocketKind::kUdp:
      return "udp";
    case SocketKind::kUnix:
      return "unix";
  }
  EMBER_CHECK(false);
}

std::optional<SocketKind> ParseSocketKind(std::string_view word) {
  for (const SocketKind kind : kAllSocketKinds) {
    if (SocketKindName(kind) == word) return kind;
  }
  return std::nullopt;
}

std::optional<PortProtocol> ProtocolHeld(const Forward& forward) {
  if (forward.reverse || forward.host.kind == SocketKind::kUnix) return std::nullopt;
  return forward.host.kind == SocketKind::kTcp ? PortProtocol::kTcp : PortProtocol::kUdp;
}

std::string DescribeSide(const ForwardSide& side) {
  if (side.kind == SocketKind::kUnix) return side.path;
  const PortProtocol protocol =
      side.kind == SocketKind::kTcp ? PortProtocol::kTcp : PortProtocol::kUdp;
  if (side.ip.empty()) return fmt::format("{} {}", PortProtocolName(protocol), side.port);
  return DescribePort(protocol, side.ip, side.port);
}

std::string DescribeForward(const Forward& forward) {
  return fmt::format("{} {} {}", DescribeSide(forward.host), forward.reverse ? "<-" : "->",
                     DescribeSide(forward.guest));
}

}  // namespace ember::state
