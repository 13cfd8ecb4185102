#pragma once

#include <string>

#include "cli/forward_spec.h"
#include "ember/v1/forward_service.pb.h"

// Forwards as they are typed and shown.
namespace ember::cli {

enum class Transport { kStream, kDatagrams };

// What was typed, as the daemon is told of it. `ip` is the host's, of a port.
v1::SocketAddress AddressOf(const SocketSpec& spec, Transport transport, const std::string& ip);

// "127.0.0.1:8080", "80", "53/udp", "/run/app.sock".
std::string SocketText(const v1::SocketAddress& address);

// ID VM LISTENS LEADS TO OPEN STATUS, one row each: the side that listens first.
std::string ForwardTableText(const v1::ListForwardsResponse& response);

}  // namespace ember::cli
