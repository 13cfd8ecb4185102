#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "daemon/agent_connection.h"
#include "daemon/agent_dial.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::daemon {

// The port of the JSON-lines protocol, which bridge clients without a handshake reach.
inline constexpr uint32_t kJsonPort = 1024;
// The host port that an agent dials once when it is ready to serve.
inline constexpr uint32_t kReadyPort = 1026;

// Turns an agent's Failure into a Status with a reason: GUEST_NOT_FOUND, GUEST_DENIED,
// GUEST_EXISTS, GUEST_REFUSED, EXEC_CANNOT_EXECUTE, AGENT_VERSION, AGENT_EXHAUSTED, AGENT_FAILURE.
absl::Status StatusOfFailure(const agent::v1::Failure& failure);

// Asks the agent one question on a connection of its own: dial, Hello, then `question` if it has a
// kind. Answers with the first frame after HelloReply, or with HelloReply itself for no question.
// Unavailable when the agent can't be reached, DeadlineExceeded after `timeout` as a whole. Any
// thread; the answer comes on `io`. `machine` is shared: the call may outlive its owner's hold.
void AskAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
              agent::v1::ClientFrame question, absl::Duration timeout,
              Reply<agent::v1::AgentFrame> reply);

// The same of a VM, for a caller: dials until it answers or `timeout` is over (agent_dial.h), and
// asks only an agent that names `capability`; another gets FailedPrecondition with reason
// AGENT_TOO_OLD. A connection that is lost before the answer is Unavailable with reason
// VM_WENT_AWAY: what was asked for may have been done. Errors name the VM. A question that is
// cancelled ends by closing its connection.
void AskVm(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame question, std::string capability,
           absl::Duration timeout, Reply<agent::v1::AgentFrame> reply,
           std::stop_token cancelled = {});

// The same with a request (ConnectStream, AcceptStream) that turns its connection into a stream of
// the guest, which the answer is.
void OpenStream(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame request, absl::Duration timeout,
                Reply<RawConnection> reply);

}  // namespace ember::daemon
