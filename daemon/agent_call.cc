#include "daemon/agent_call.h"

#include <functional>
#include <optional>
#include <utility>

#include "base/status.h"
#include "daemon/agent_dial.h"

namespace ember::daemon {
namespace {

std::string_view ReasonWord(agent::v1::Failure::Reason reason) {
  switch (reason) {
    case agent::v1::Failure::NOT_FOUND:
      return "GUEST_NOT_FOUND";
    case agent::v1::Failure::CANNOT_EXECUTE:
      return "EXEC_CANNOT_EXECUTE";
    case agent::v1::Failure::DENIED:
      return "GUEST_DENIED";
    case agent::v1::Failure::EXISTS:
      return "GUEST_EXISTS";
    case agent::v1::Failure::REFUSED:
      return "GUEST_REFUSED";
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
    case agent::v1::Failure::DENIED:
      return absl::StatusCode::kPermissionDenied;
    case agent::v1::Failure::EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case agent::v1::Failure::REFUSED:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

// The first frame behind HelloReply, and the connection that it came on.
struct Answer {
  agent::v1::AgentFrame frame;
  RawConnection connection;
};

// One question under way. Its timer keeps it until it has answered. Lives on `io`.
class Call : public AgentConnection::Handler, public std::enable_shared_from_this<Call> {
 public:
  // `capability`: what the agent must be able to do; empty: nothing beyond Hello.
  Call(EventLoop& io, std::string vm_name, agent::v1::ClientFrame question, std::string capability,
       Reply<Answer> reply)
      : io_(io),
        vm_name_(std::move(vm_name)),
        question_(std::move(question)),
        capability_(std::move(capability)),
        reply_(std::move(reply)) {}

  void LimitTo(absl::Duration timeout) {
    timer_ = io_.RunAfter(timeout, [call = shared_from_this()] {
      call->Finish(DeadlineExceeded("the agent did not answer"));
    });
  }

  // Ends the question once somebody wishes so, from any thread.
  void CancelOn(std::stop_token token) {
    if (!token.stop_possible()) return;
    on_stop_.emplace(std::move(token), [this, weak = weak_from_this()] {
      io_.Post([weak] {
        if (const auto call = weak.lock(); call != nullptr) call->Finish(Cancelled("cancelled"));
      });
    });
  }

  void OnDialled(absl::StatusOr<UniqueFd> fd) {
    if (!reply_.pending()) return;  // timed out meanwhile
    if (!fd.ok()) return Finish(fd.status());
    connection_.emplace(io_, *std::move(fd), *this);
    if (absl::Status opened = connection_->Open(); !opened.ok()) return Finish(opened);
    connection_->Send(HelloFrame());
    if (question_.kind_case() != agent::v1::ClientFrame::KIND_NOT_SET) connection_->Send(question_);
  }

 private:
  void OnFrame(const agent::v1::AgentFrame& frame) override {
    const bool greeting_only = question_.kind_case() == agent::v1::ClientFrame::KIND_NOT_SET;
    if (frame.has_hello_reply() && !greeting_only) {
      const absl::Status able = CheckCapability(frame.hello_reply(), capability_, vm_name_);
      if (!able.ok()) Finish(able);
      return;
    }
    if (frame.has_failure()) return Finish(StatusOfFailure(frame.failure()));
    if (connection_->queued() > 0) return Finish(DataLoss("the agent answers what it never read"));
    Finish(Answer{frame, connection_->Release()});
  }

  void OnClosed(absl::Status status) override {
    if (absl::IsDataLoss(status)) return Finish(std::move(status));
    // What was asked for may have been done.
    Finish(
        WithReason(Unavailable("it went away meanwhile ({})",
                               status.ok() ? "the agent closed the connection" : Message(status)),
                   "VM_WENT_AWAY"));
  }

  void Finish(absl::StatusOr<Answer> answer) {
    if (!reply_.pending()) return;
    const std::shared_ptr<Call> alive = shared_from_this();
    io_.CancelTimer(timer_);
    on_stop_.reset();
    if (connection_.has_value()) connection_->Close();
    reply_(std::move(answer));
  }

  EventLoop& io_;
  const std::string vm_name_;
  const agent::v1::ClientFrame question_;
  const std::string capability_;
  Reply<Answer> reply_;
  std::optional<AgentConnection> connection_;
  EventLoop::TimerId timer_ = 0;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

// Wants the frame alone: the connection is closed.
Reply<Answer> FrameOf(Reply<agent::v1::AgentFrame> reply) {
  return Reply<Answer>([reply = std::move(reply)](absl::StatusOr<Answer> answer) mutable {
    if (!answer.ok()) return reply(answer.status());
    reply(std::move(answer->frame));
  });
}

void Ask(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame question, std::string capability,
         absl::Duration timeout, std::stop_token cancelled, Reply<Answer> reply) {
  auto annotated = Reply<Answer>(
      [name = vm.name, reply = std::move(reply)](absl::StatusOr<Answer> answer) mutable {
        if (!answer.ok()) answer = Annotate(answer.status(), fmt::format("vm '{}'", name));
        reply(std::move(answer));
      });
  auto call = std::make_shared<Call>(io, vm.name, std::move(question), std::move(capability),
                                     std::move(annotated));
  io.Post([&io, call = std::move(call), vm = std::move(vm), timeout,
           cancelled = std::move(cancelled)]() mutable {
    call->LimitTo(timeout);
    call->CancelOn(std::move(cancelled));
    DialAgent(
        io, std::move(vm.machine), Deadline::After(timeout),
        Reply<UniqueFd>([call](absl::StatusOr<UniqueFd> fd) { call->OnDialled(std::move(fd)); }));
  });
}

}  // namespace

absl::Status StatusOfFailure(const agent::v1::Failure& failure) {
  return WithReason(MakeStatus(CodeOf(failure.reason()), "{}", failure.message()),
                    ReasonWord(failure.reason()));
}

void AskAgent(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
              agent::v1::ClientFrame question, absl::Duration timeout,
              Reply<agent::v1::AgentFrame> reply) {
  auto call = std::make_shared<Call>(io, "", std::move(question), "", FrameOf(std::move(reply)));
  io.Post([call = std::move(call), machine = std::move(machine), timeout] {
    call->LimitTo(timeout);
    machine->Dial(kAgentPort, timeout, Reply<UniqueFd>([call](absl::StatusOr<UniqueFd> fd) {
                    call->OnDialled(std::move(fd));
                  }));
  });
}

void AskVm(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame question, std::string capability,
           absl::Duration timeout, Reply<agent::v1::AgentFrame> reply, std::stop_token cancelled) {
  Ask(io, std::move(vm), std::move(question), std::move(capability), timeout, std::move(cancelled),
      FrameOf(std::move(reply)));
}

void OpenStream(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame request, absl::Duration timeout,
                Reply<RawConnection> reply) {
  Ask(io, std::move(vm), std::move(request), "streams", timeout, {},
      Reply<Answer>([reply = std::move(reply)](absl::StatusOr<Answer> answer) mutable {
        if (!answer.ok()) return reply(answer.status());
        if (!answer->frame.has_stream_open()) {
          return reply(DataLoss("the agent answers something else than asked"));
        }
        reply(std::move(answer->connection));
      }));
}

}  // namespace ember::daemon
