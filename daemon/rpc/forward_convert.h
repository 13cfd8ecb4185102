#pragma once

#include "absl/status/statusor.h"
#include "daemon/forwards.h"
#include "ember/v1/forward_service.pb.h"

namespace ember::daemon::rpc {

// A side of a forward. InvalidArgument for none, and for a port over 65535.
absl::StatusOr<state::ForwardSide> FromProto(const v1::SocketAddress& address);

v1::Forward ToProto(const ForwardView& view);

}  // namespace ember::daemon::rpc
