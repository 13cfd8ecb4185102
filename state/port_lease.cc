#include "state/port_lease.h"

#include "base/check.h"

namespace ember::state {

std::string_view PortProtocolName(PortProtocol protocol) {
  switch (protocol) {
    case PortProtocol::kTcp:
      return "tcp";
    case PortProtocol::kUdp:
      return "udp";
  }
  EMBER_CHECK(false);
}

std::optional<PortProtocol> ParsePortProtocol(std::string_view word) {
  for (const PortProtocol protocol : kAllPortProtocols) {
    if (PortProtocolName(protocol) == word) return protocol;
  }
  return std::nullopt;
}

}  // namespace ember::state
