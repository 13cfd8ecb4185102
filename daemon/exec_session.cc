#include "daemon/exec_session.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

// One dial may wait so long for the guest's answer before it is tried again, and so long between
// two tries.
constexpr absl::Duration kDialAttempt = absl::Seconds(2);
constexpr absl::Duration kDialPause = absl::Milliseconds(50);
// The agent has so long to start the process once it has been asked to.
constexpr absl::Duration kStartLimit = absl::Seconds(30);
// After a time-out's SIGKILL the guest has so long to report the end.
constexpr absl::Duration kKillGrace = absl::Seconds(2);

// The most that the protocol allows in one StdinData.
constexpr size_t kMaxInputFrame = 256 << 10;

bool MayDialAgain(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

agent::v1::ClientFrame StartFrame(const ExecCommand& command) {
  agent::v1::ClientFrame frame;
  agent::v1::ExecStart& start = *frame.mutable_exec_start();
  start.mutable_argv()->Add(command.argv.begin(), command.argv.end());
  start.mutable_env()->insert(command.env.begin(), command.env.end());
  start.set_cwd(command.cwd);
  start.set_user(command.user);
  if (command.tty.has_value()) {
    start.mutable_tty()->set_rows(command.tty->rows);
    start.mutable_tty()->set_columns(command.tty->columns);
    start.mutable_tty()->set_term(command.term);
  }
  return frame;
}

}  // namespace

ExecSession::ExecSession(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
                         ExecCommand command, std::shared_ptr<Client> client)
    : io_(io),
      machine_(std::move(machine)),
      command_(std::move(command)),
      client_(std::move(client)) {}

std::shared_ptr<ExecSession> ExecSession::Start(EventLoop& io,
                                                std::shared_ptr<hypervisor::Machine> machine,
                                                ExecCommand command, absl::Duration connect_timeout,
                                                std::shared_ptr<Client> client) {
  // Whoever drops it last, it goes where it lives: its connection may be in the middle of a call.
  const auto drop = [&io](ExecSession* last) {
    if (io.IsCurrent()) {
      delete last;
    } else {
      io.Post([owned = std::unique_ptr<ExecSession>(last)] {});
    }
  };
  std::shared_ptr<ExecSession> session(
      new ExecSession(io, std::move(machine), std::move(command), std::move(client)), drop);
  io.Post([session, deadline = Deadline::After(connect_timeout)] { session->Dial(deadline); });
  return session;
}

void ExecSession::Dial(Deadline deadline) {
  if (ended_) return;
  machine_->Dial(
      kAgentPort, kDialAttempt,
      Reply<UniqueFd>([session = shared_from_this(), deadline](absl::StatusOr<UniqueFd> fd) {
        session->OnDialled(std::move(fd), deadline);
      }));
}

void ExecSession::OnDialled(absl::StatusOr<UniqueFd> fd, Deadline deadline) {
  if (ended_) return;
  if (!fd.ok()) {
    if (MayDialAgain(fd.status()) && deadline.Remaining() > kDialPause) {
      io_.RunAfter(kDialPause,
                   [session = shared_from_this(), deadline] { session->Dial(deadline); });
      return;
    }
    Finish(WithHint(
        WithReason(Annotate(fd.status(),
                            fmt::format("vm '{}': the agent can't be reached", command_.vm_name)),
                   "AGENT_UNREACHABLE"),
        fmt::format("look at 'ember vm console {}'", command_.vm_name)));
    return;
  }
  connection_.emplace(io_, *std::move(fd), *this);
  if (absl::Status opened = connection_->Open(); !opened.ok()) return Finish(opened);
  SendStart();
}

void ExecSession::SendStart() {
  const agent::v1::ClientFrame start = StartFrame(command_);
  if (start.ByteSizeLong() > kMaxFrame) {
    return Finish(
        InvalidArgument("exec: the command and its environment are too large: {} bytes of"
                        " at most {}",
                        start.ByteSizeLong(), kMaxFrame));
  }
  timer_ = io_.RunAfter(kStartLimit, [session = shared_from_this()] {
    session->timer_ = 0;
    session->OnClosed(DeadlineExceeded("the agent did not start it"));
  });
  connection_->Send(HelloFrame());
  connection_->Send(start);
}

void ExecSession::OnFrame(const agent::v1::AgentFrame& frame) {
  // The caller's reference may be the last one but ours.
  const std::shared_ptr<ExecSession> alive = shared_from_this();
  switch (frame.kind_case()) {
    case agent::v1::AgentFrame::kExecStarted:
      return OnStarted(frame.exec_started());
    case agent::v1::AgentFrame::kStdoutData:
      return OnOutput(OutputStream::kStdout, frame.stdout_data().payload());
    case agent::v1::AgentFrame::kStderrData:
      return OnOutput(OutputStream::kStderr, frame.stderr_data().payload());
    case agent::v1::AgentFrame::kStdinCredit:
      input_credit_ += frame.stdin_credit().bytes();
      return client_->InputCredit(frame.stdin_credit().bytes());
    case agent::v1::AgentFrame::kExecExited:
      return OnExited(frame.exec_exited());
    case agent::v1::AgentFrame::kFailure:
      return Finish(
          Annotate(StatusOfFailure(frame.failure()), fmt::format("vm '{}'", command_.vm_name)));
    default:
      return;  // HelloReply, and what newer agents may add
  }
}

void ExecSession::OnStarted(const agent::v1::ExecStarted& started) {
  if (started_) return;
  started_ = true;
  input_credit_ = started.stdin_credit();
  io_.CancelTimer(std::exchange(timer_, 0));
  if (command_.timeout.has_value()) {
    timer_ =
        io_.RunAfter(*command_.timeout, [session = shared_from_this()] { session->OnTimeout(); });
  }
  client_->Started(started.pid(), started.stdin_credit());
}

void ExecSession::OnOutput(OutputStream stream, const std::string& bytes) {
  output_unacknowledged_ += bytes.size();
  if (output_unacknowledged_ >= kOutputWindow)
    connection_->SetReading(AgentConnection::Reading::kPaused);
  client_->Output(stream, bytes);
}

void ExecSession::OnExited(const agent::v1::ExecExited& exited) {
  ExecResult result;
  result.timed_out = timed_out_;
  if (exited.how_case() == agent::v1::ExecExited::kSignal) {
    result.signal = static_cast<int>(exited.signal());
  } else {
    result.code = exited.code();
  }
  Finish(result);
}

void ExecSession::OnClosed(absl::Status status) {
  const std::shared_ptr<ExecSession> alive = shared_from_this();
  const std::string why = status.ok() ? "the connection was closed" : std::string(Message(status));
  Finish(WithReason(
      Unavailable("vm '{}' went away; the command may have run ({})", command_.vm_name, why),
      "VM_WENT_AWAY"));
}

void ExecSession::OnTimeout() {
  timer_ = 0;
  if (ended_) return;
  if (timed_out_) {
    ExecResult result;
    result.signal = SIGKILL;
    result.timed_out = true;
    return Finish(result);
  }
  timed_out_ = true;
  Signal(SIGKILL);
  timer_ = io_.RunAfter(kKillGrace, [session = shared_from_this()] { session->OnTimeout(); });
}

void ExecSession::Input(std::string_view bytes) {
  if (ended_ || !started_) return;
  if (bytes.size() > input_credit_) {
    return Finish(ResourceExhausted("exec: {} bytes of input where {} were allowed", bytes.size(),
                                    input_credit_));
  }
  input_credit_ -= bytes.size();
  if (connection_->queued() + bytes.size() > kMaxQueuedInput) {
    return Finish(ResourceExhausted("exec: the guest does not take the input that it asked for"));
  }
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kMaxInputFrame);
    agent::v1::ClientFrame frame;
    frame.mutable_stdin_data()->set_payload(part.data(), part.size());
    connection_->Send(frame);
    bytes.remove_prefix(part.size());
  }
}

void ExecSession::InputEnd() {
  if (ended_ || !connection_.has_value()) return;
  agent::v1::ClientFrame frame;
  frame.mutable_stdin_end();
  connection_->Send(frame);
}

void ExecSession::Resize(TerminalSize size) {
  if (ended_ || !connection_.has_value()) return;
  agent::v1::ClientFrame frame;
  frame.mutable_resize()->set_rows(size.rows);
  frame.mutable_resize()->set_columns(size.columns);
  connection_->Send(frame);
}

void ExecSession::Signal(uint32_t number) {
  if (ended_ || !connection_.has_value()) return;
  agent::v1::ClientFrame frame;
  frame.mutable_signal()->set_number(number);
  connection_->Send(frame);
}

void ExecSession::OutputTaken(size_t bytes) {
  if (ended_ || !connection_.has_value()) return;
  output_unacknowledged_ -= std::min(bytes, output_unacknowledged_);
  if (output_unacknowledged_ < kOutputWindow)
    connection_->SetReading(AgentConnection::Reading::kOn);
}

void ExecSession::Cancel() {
  if (ended_) return;
  const std::shared_ptr<ExecSession> alive = shared_from_this();
  Finish(Cancelled("exec in vm '{}' was cancelled", command_.vm_name));
}

void ExecSession::Finish(absl::StatusOr<ExecResult> result) {
  if (ended_) return;
  ended_ = true;
  io_.CancelTimer(timer_);
  if (connection_.has_value()) connection_->Close();
  std::exchange(client_, nullptr)->Ended(std::move(result));
}

}  // namespace ember::daemon
