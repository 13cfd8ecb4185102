#pragma once

#include "ember/agent/v1/agent.pb.h"
#include "state/forward.h"

namespace ember::daemon {

// A guest's TCP port or Unix path as its agent is told of it.
agent::v1::Address GuestAddress(const state::ForwardSide& guest);

// The request for a stream to it.
agent::v1::ClientFrame ConnectFrame(const state::ForwardSide& guest);

}  // namespace ember::daemon
