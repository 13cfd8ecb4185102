#include "daemon/agent_call.h"

#include <optional>
#include <utility>

#include "base/status.h"
#include "daemon/agent_connection.h"

namespace ember::daemon {
namespace {

std::string_view ReasonWord(agent::v1::Failure::Reason reason) {
  switch (reason) {
    case agent::v1::Failure::NOT_FOUND:
      return "EXEC_NOT_FOUND";
    case agent::v1::Failure::CANNOT_EXECUTE:
      return "EXEC_CANNOT_EXECUTE";
    case agent::v1::Failure::VERSION:
      return "AGENT_VERSION";
    case agent::v1::Failure::EXHAUSTED:
      return "AGENT_EXHAUSTED";
    default:
      return "AGENT_FAILURE";
  }
}

absl::StatusCode CodeOf(agent::v1::Failure::Reason reason) {
  switch (reason) {
    case agent::v1::Failure::NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case agent::v1::Failure::CANNOT_EXECUTE:
    case agent::v1::Failure::VERSION:
      return absl::StatusCode::kFailedPrecondition;
    case agent::v1::Failure::BAD_REQUEST:
      return absl::StatusCode::kInvalidArgument;
    case agent::v1::Failure::EXHAUSTED:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

// One question under way. Its timer keeps it until it has answered. Lives on `io`.
class Call : public AgentConnection::Handler, public std::enable_shared_from_this<Call> {
 public:
  Call(EventLoop& io, agent::v1::ClientFrame question, Reply<agent::v1::AgentFrame> reply)
      : io_(io), question_(std::move(question)), reply_(std::move(reply)) {}

  void Start(hypervisor::Machine& machine, absl::Duration timeout) {
    timer_ = io_.RunAfter(timeout, [call = shared_from_this()] {
      call->Finish(DeadlineExceeded("the agent did not answer"));
    });
    machine.Dial(kAgentPort, timeout,
                 Reply<UniqueFd>([call = shared_from_this()](absl::StatusOr<UniqueFd> fd) {
                   call->OnDialled(std::move(fd));
                 }));
  }

 private:
  void OnDialled(absl::StatusOr<UniqueFd> fd) {
    if (!reply_.pending()) return;  // timed out meanwhile
    if (!fd.ok()) return Finish(fd.status());
    connection_.emplace(io_, *std::move(fd), *this);
    if (absl::Status opened = connection_->Open(); !opened.ok()) return Finish(opened);
    connection_->Send(HelloFrame());
    if (question_.kind_case() != agent::v1::ClientFrame::KIND_NOT_SET) connection_->Send(question_);
  }

  void OnFrame(const agent::v1::AgentFrame& frame) override {
    if (frame.has_failure()) return Finish(StatusOfFailure(frame.failure()));
    const bool greeting_only = question_.kind_case() == agent::v1::ClientFrame::KIND_NOT_SET;
    if (frame.has_hello_reply() && !greeting_only) return;
    Finish(frame);
  }

  void OnClosed(absl::Status status) override {
    Finish(status.ok() ? Unavailable("the agent closed the connection") : status);
  }

  void Finish(absl::StatusOr<agent::v1::AgentFrame> answer) {
    if (!reply_.pending()) return;
    const std::shared_ptr<Call> alive = shared_from_this();
    io_.CancelTimer(timer_);
    if (connection_.has_value()) connection_->Close();
    reply_(std::move(answer));
  }

  EventLoop& io_;
  agent::v1::ClientFrame question_;
  Reply<agent::v1::AgentFrame> reply_;
  std::optional<AgentConnection> connection_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

absl::Status StatusOfFailure(const agent::v1::Failure& failure) {
  return WithReason(MakeStatus(CodeOf(failure.reason()), "{}", failure.message()),
                    ReasonWord(failure.reason()));
}

void AskAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
              agent::v1::ClientFrame question, absl::Duration timeout,
              Reply<agent::v1::AgentFrame> reply) {
  auto call = std::make_shared<Call>(io, std::move(question), std::move(reply));
  io.Post([call = std::move(call), machine = std::move(machine), timeout] {
    call->Start(*machine, timeout);
  });
}

}  // namespace ember::daemon
