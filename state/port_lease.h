#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ember::state {

enum class PortProtocol { kTcp, kUdp };

inline constexpr std::array kAllPortProtocols = {PortProtocol::kTcp, PortProtocol::kUdp};

// "tcp", "udp": the words of the database and the messages.
std::string_view PortProtocolName(PortProtocol protocol);

// The reverse; nothing for another word.
std::optional<PortProtocol> ParsePortProtocol(std::string_view word);

// A port of the host that belongs to a VM. A port of 0.0.0.0 is that port on every IPv4 address of
// the host, one of :: that port on every address of both kinds.
struct PortLease {
  PortProtocol protocol = PortProtocol::kTcp;
  std::string host_address;  // IPv4 or IPv6, as inet_ntop writes it
  uint16_t host_port = 0;    // in a request 0: any free one
  std::string vm_id;
  std::string guest_target;  // what it leads to, in the words of whoever serves it
  std::string purpose;       // who serves it, e.g. "forward"

  friend bool operator==(const PortLease&, const PortLease&) = default;
};

// Where any free port is taken from, both ends included. The whole of it lies below the ports that
// Linux gives to outgoing connections.
struct PortRange {
  uint16_t first = 20'000;
  uint16_t last = 32'767;
};

}  // namespace ember::state
