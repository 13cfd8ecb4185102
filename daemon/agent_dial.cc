#include "daemon/agent_dial.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace ember::daemon {
namespace {

// One dial may wait so long for the guest's answer before it is tried again, and so long between
// two tries.
constexpr absl::Duration kDialAttempt = absl::Seconds(2);
constexpr absl::Duration kDialPause = absl::Milliseconds(50);

bool MayDialAgain(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// The tries of one DialAgent. Held by the dial or the timer under way. Lives on `io`.
class Dialling : public std::enable_shared_from_this<Dialling> {
 public:
  Dialling(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine, Deadline deadline,
           Reply<UniqueFd> reply)
      : io_(io), machine_(std::move(machine)), deadline_(deadline), reply_(std::move(reply)) {}

  void Dial() {
    machine_->Dial(kAgentPort, std::min(kDialAttempt, deadline_.Remaining()),
                   Reply<UniqueFd>([self = shared_from_this()](absl::StatusOr<UniqueFd> fd) {
                     self->OnDialled(std::move(fd));
                   }));
  }

 private:
  void OnDialled(absl::StatusOr<UniqueFd> fd) {
    if (fd.ok()) return reply_(std::move(fd));
    if (MayDialAgain(fd.status()) && deadline_.Remaining() > kDialPause) {
      io_.RunAfter(kDialPause, [self = shared_from_this()] { self->Dial(); });
      return;
    }
    reply_(WithReason(Annotate(fd.status(), "the agent can't be reached"), "AGENT_UNREACHABLE"));
  }

  EventLoop& io_;
  const std::shared_ptr<hypervisor::Machine> machine_;  // shared: the host may let go of it first
  const Deadline deadline_;
  Reply<UniqueFd> reply_;
};

}  // namespace

void DialAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine, Deadline deadline,
               Reply<UniqueFd> reply) {
  std::make_shared<Dialling>(io, std::move(machine), deadline, std::move(reply))->Dial();
}

absl::Status CheckCapability(const agent::v1::HelloReply& reply, std::string_view capability,
                             std::string_view vm_name) {
  const auto& named = reply.capabilities();
  if (capability.empty() || std::find(named.begin(), named.end(), capability) != named.end()) {
    return absl::OkStatus();
  }
  return WithHint(
      WithReason(FailedPrecondition("vm '{}': its agent, {}, is too old for this ('{}')", vm_name,
                                    reply.agent_version(), capability),
                 "AGENT_TOO_OLD"),
      fmt::format("restart the VM, which brings this host's agent: 'ember vm restart {}'",
                  vm_name));
}

}  // namespace ember::daemon
