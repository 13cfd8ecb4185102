#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/port_lease.h"

namespace ember::state {

enum class SocketKind { kTcp, kUdp, kUnix };

inline constexpr std::array kAllSocketKinds = {SocketKind::kTcp, SocketKind::kUdp,
                                               SocketKind::kUnix};

// "tcp", "udp", "unix": the words of the database.
std::string_view SocketKindName(SocketKind kind);

// The reverse; nothing for another word.
std::optional<SocketKind> ParseSocketKind(std::string_view word);

// One side of a forward.
struct ForwardSide {
  SocketKind kind = SocketKind::kTcp;
  std::string ip = {};    // of the host's TCP or UDP side: IPv4 or IPv6
  uint16_t port = 0;      // of TCP and UDP; where the host is to listen 0 is a free one
  std::string path = {};  // of a Unix socket: absolute

  friend bool operator==(const ForwardSide&, const ForwardSide&) = default;
};

// A socket of the host that leads to one of a VM; reverse: the guest's side listens, and leads to
// the host's. UDP leads to UDP, and never in reverse.
struct Forward {
  std::string id = {};  // UUID
  std::string vm_id = {};
  ForwardSide host = {};
  ForwardSide guest = {};
  bool reverse = false;

  friend bool operator==(const Forward&, const Forward&) = default;
};

// The protocol whose port on the host the forward holds: nothing where it holds none.
std::optional<PortProtocol> ProtocolHeld(const Forward& forward);

// "tcp 127.0.0.1:8080", "tcp 80", "/run/app.sock".
std::string DescribeSide(const ForwardSide& side);

// "tcp 127.0.0.1:8080 -> tcp 80"; reverse with "<-".
std::string DescribeForward(const Forward& forward);

}  // namespace ember::state
