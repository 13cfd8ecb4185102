#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::daemon {

// The port of the framed protocol in every guest (docs/agent-protocol.md).
inline constexpr uint32_t kAgentPort = 1025;
// The port of the JSON-lines protocol, which bridge clients without a handshake reach.
inline constexpr uint32_t kJsonPort = 1024;
// The host port that an agent dials once when it is ready to serve.
inline constexpr uint32_t kReadyPort = 1026;

// Turns an agent's Failure into a Status with a reason: EXEC_NOT_FOUND, EXEC_CANNOT_EXECUTE,
// AGENT_VERSION, AGENT_EXHAUSTED, AGENT_FAILURE.
absl::Status StatusOfFailure(const agent::v1::Failure& failure);

// Asks the agent one question on a connection of its own: dial, Hello, then `question` if it has a
// kind. Answers with the first frame after HelloReply, or with HelloReply itself for no question.
// Unavailable when the agent can't be reached, DeadlineExceeded after `timeout` as a whole. Any
// thread; the answer comes on `io`. `machine` is shared: the call may outlive its owner's hold.
void AskAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
              agent::v1::ClientFrame question, absl::Duration timeout,
              Reply<agent::v1::AgentFrame> reply);

}  // namespace ember::daemon
