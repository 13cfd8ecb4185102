#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "backends/hypervisor/backend.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "base/unique_fd.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::daemon {

// The port of the framed protocol in every guest (docs/agent-protocol.md).
inline constexpr uint32_t kAgentPort = 1025;

// A dial for a user that meets nobody is repeated so long: covers an agent that is just being
// restarted.
inline constexpr absl::Duration kReachLimit = absl::Seconds(10);

// A running VM, as whoever talks to its agent needs it.
struct ReachedVm {
  std::string id;
  std::string name;                              // for messages
  std::shared_ptr<hypervisor::Machine> machine;  // shared with the host: it may let go of it first
};

// Dials the agent, again and again until it answers or `deadline` is over: nothing has been sent by
// then, so nothing can happen twice. Unavailable or DeadlineExceeded as the last dial failed, with
// reason AGENT_UNREACHABLE. On `io`, and the answer too.
void DialAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine, Deadline deadline,
               Reply<UniqueFd> reply);

// FailedPrecondition with reason AGENT_TOO_OLD when the agent does not name `capability`. An empty
// one is always there.
absl::Status CheckCapability(const agent::v1::HelloReply& reply, std::string_view capability,
                             std::string_view vm_name);

}  // namespace ember::daemon
