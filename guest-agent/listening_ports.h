#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ember::agent {

// Whether something listens on a TCP port, on any address of the network namespace, IPv4 or IPv6.
bool SomethingListens(uint16_t port);

// What one line of /proc/net/tcp or tcp6 says: the port of a listening socket, or nothing.
std::optional<uint16_t> ListeningPort(std::string_view line);

}  // namespace ember::agent
