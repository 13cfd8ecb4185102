#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/stream_dial.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// The port of a request, which is foreign: InvalidArgument unless it is from `least` to 65535.
absl::StatusOr<uint16_t> PortOf(uint32_t number, uint32_t least);

// The address of a request. InvalidArgument for a port under `least_port` or over 65535, and for a
// path that is not absolute, too long for a socket, or holds a NUL.
absl::StatusOr<StreamAddress> AddressOf(const v1::Address& address, uint32_t least_port);

}  // namespace ember::agent
