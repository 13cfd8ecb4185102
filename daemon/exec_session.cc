#include "daemon/exec_session.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

// The agent has so long to start the process once it has been asked to.
constexpr absl::Duration kStartLimit = absl::Seconds(30);
// After a time-out's SIGKILL the guest has so long to report the end.
constexpr absl::Duration kKillGrace = absl::Seconds(2);

// The most that the protocol allows in one StdinData.
constexpr size_t kMaxInputFrame = 256 << 10;

// Fields that only a newer agent knows: an older one would pass over them and run the command
// without.
bool NeedsNewerAgent(const ExecCommand& command) {
  return command.umask.has_value() || !command.limits.empty() || command.detach.has_value();
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
  if (command.umask.has_value()) start.set_umask(*command.umask);
  for (const ResourceLimit& limit : command.limits) {
    agent::v1::Limit& added = *start.add_limits();
    added.set_name(limit.name);
    added.set_soft(limit.soft);
    added.set_hard(limit.hard);
  }
  if (command.detach.has_value()) start.mutable_detach()->set_tag(*command.detach);
  return frame;
}

agent::v1::ClientFrame FollowFrame(const FollowRequest& request) {
  agent::v1::ClientFrame frame;
  agent::v1::FollowProcess& follow = *frame.mutable_follow_process();
  follow.set_tag(request.tag);
  follow.set_follow(request.follow);
  follow.set_attach(request.attach);
  follow.set_tail_bytes(request.tail_bytes);
  if (request.tty.has_value()) {
    follow.mutable_tty()->set_rows(request.tty->rows);
    follow.mutable_tty()->set_columns(request.tty->columns);
  }
  return frame;
}

bool IsShell(std::string_view program) {
  const std::string_view name = program.substr(program.find_last_of('/') + 1);
  return name == "sh" || name == "bash" || name == "ash" || name == "dash" || name == "zsh";
}

}  // namespace

ExecSession::ExecSession(EventLoop& io, std::shared_ptr<hypervisor::Machine> machine,
                         Request request, std::shared_ptr<Client> client)
    : io_(io),
      machine_(std::move(machine)),
      request_(std::move(request)),
      client_(std::move(client)) {}

ExecSession::Request ExecSession::RequestOf(const ExecCommand& command) {
  return {command.vm_name,
          StartFrame(command),
          NeedsNewerAgent(command) ? "processes" : "",
          command.timeout,
          true,
          "the command may have run"};
}

ExecSession::Request ExecSession::RequestOf(const FollowRequest& request) {
  return {request.vm_name, FollowFrame(request), "processes",
          std::nullopt,    request.attach,       "the process may go on"};
}

std::shared_ptr<ExecSession> ExecSession::Start(EventLoop& io,
                                                std::shared_ptr<hypervisor::Machine> machine,
                                                const ExecCommand& command,
                                                absl::Duration connect_timeout,
                                                std::shared_ptr<Client> client) {
  return Begin(io, std::move(machine), RequestOf(command), connect_timeout, std::move(client));
}

std::shared_ptr<ExecSession> ExecSession::Follow(EventLoop& io,
                                                 std::shared_ptr<hypervisor::Machine> machine,
                                                 const FollowRequest& request,
                                                 absl::Duration connect_timeout,
                                                 std::shared_ptr<Client> client) {
  return Begin(io, std::move(machine), RequestOf(request), connect_timeout, std::move(client));
}

std::shared_ptr<ExecSession> ExecSession::Begin(EventLoop& io,
                                                std::shared_ptr<hypervisor::Machine> machine,
                                                Request request, absl::Duration connect_timeout,
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
      new ExecSession(io, std::move(machine), std::move(request), std::move(client)), drop);
  io.Post([session, deadline = Deadline::After(connect_timeout)] { session->Dial(deadline); });
  return session;
}

void ExecSession::Dial(Deadline deadline) {
  if (ended_) return;
  DialAgent(io_, machine_, deadline,
            Reply<UniqueFd>([session = shared_from_this()](absl::StatusOr<UniqueFd> fd) {
              session->OnDialled(std::move(fd));
            }));
}

void ExecSession::OnDialled(absl::StatusOr<UniqueFd> fd) {
  if (ended_) return;
  if (!fd.ok()) {
    return Finish(WithHint(Annotate(fd.status(), fmt::format("vm '{}'", request_.vm_name)),
                           fmt::format("look at 'ember vm console {}'", request_.vm_name)));
  }
  connection_.emplace(io_, *std::move(fd), *this);
  if (absl::Status opened = connection_->Open(); !opened.ok()) return Finish(opened);
  Greet();
}

void ExecSession::Greet() {
  if (request_.frame.ByteSizeLong() > kMaxFrame) {
    return Finish(
        InvalidArgument("exec: the command and its environment are too large: {} bytes of"
                        " at most {}",
                        request_.frame.ByteSizeLong(), kMaxFrame));
  }
  timer_ = io_.RunAfter(kStartLimit, [session = shared_from_this()] {
    session->timer_ = 0;
    session->OnClosed(DeadlineExceeded("the agent did not start it"));
  });
  connection_->Send(HelloFrame());
  // Behind it at once, unless it depends on the answer.
  if (request_.capability.empty()) SendRequest();
}

void ExecSession::SendRequest() {
  sent_ = true;
  connection_->Send(request_.frame);
  if (input_end_due_) InputEnd();
}

void ExecSession::OnHello(const agent::v1::HelloReply& reply) {
  if (sent_) return;
  absl::Status able = CheckCapability(reply, request_.capability, request_.vm_name);
  if (!able.ok()) return Finish(std::move(able));
  SendRequest();
}

void ExecSession::OnFrame(const agent::v1::AgentFrame& frame) {
  // The caller's reference may be the last one but ours.
  const std::shared_ptr<ExecSession> alive = shared_from_this();
  switch (frame.kind_case()) {
    case agent::v1::AgentFrame::kHelloReply:
      return OnHello(frame.hello_reply());
    case agent::v1::AgentFrame::kExecStarted:
      return OnStarted({frame.exec_started().pid(), frame.exec_started().stdin_credit(),
                        frame.exec_started().tag()});
    case agent::v1::AgentFrame::kFollowStarted:
      return OnStarted({frame.follow_started().pid(), frame.follow_started().stdin_credit(), "",
                        frame.follow_started().tty()});
    case agent::v1::AgentFrame::kOutputLost:
      return OnLost(frame.output_lost().bytes());
    case agent::v1::AgentFrame::kFollowEnded:
      return Finish(ExecResult{});
    case agent::v1::AgentFrame::kStdoutData:
      return OnOutput(OutputStream::kStdout, frame.stdout_data().payload());
    case agent::v1::AgentFrame::kStderrData:
      return OnOutput(OutputStream::kStderr, frame.stderr_data().payload());
    case agent::v1::AgentFrame::kStdinCredit:
      input_credit_ += frame.stdin_credit().bytes();
      OnBytes(kNoticeCost);
      return client_->InputCredit(frame.stdin_credit().bytes());
    case agent::v1::AgentFrame::kExecExited:
      return OnExited(frame.exec_exited());
    case agent::v1::AgentFrame::kFailure:
      return OnFailure(frame.failure());
    default:
      return;  // what newer agents may add
  }
}

void ExecSession::OnFailure(const agent::v1::Failure& failure) {
  absl::Status status =
      Annotate(StatusOfFailure(failure), fmt::format("vm '{}'", request_.vm_name));
  const bool exec = request_.frame.has_exec_start();
  if (exec && absl::IsNotFound(status)) {
    status = WithReason(std::move(status), "EXEC_NOT_FOUND");
    if (IsShell(request_.frame.exec_start().argv(0))) {
      status = WithHint(std::move(status),
                        "the image seems to have no shell: give the program itself and its "
                        "arguments, as in 'ember exec VM -- /app --version'");
    }
  }
  Finish(std::move(status));
}

void ExecSession::OnStarted(StartedProcess process) {
  if (started_) return;
  started_ = true;
  input_credit_ = process.stdin_credit;
  io_.CancelTimer(std::exchange(timer_, 0));
  client_->Started(process);
  if (ended_) return;
  // A detached process goes on by itself.
  if (request_.frame.exec_start().has_detach()) return Finish(ExecResult{});
  if (request_.timeout.has_value()) {
    timer_ =
        io_.RunAfter(*request_.timeout, [session = shared_from_this()] { session->OnTimeout(); });
  }
}

void ExecSession::OnLost(uint64_t bytes) {
  OnBytes(kNoticeCost);
  client_->Lost(bytes);
}

void ExecSession::OnBytes(size_t bytes) {
  output_unacknowledged_ += bytes;
  if (output_unacknowledged_ >= kOutputWindow)
    connection_->SetReading(AgentConnection::Reading::kPaused);
}

void ExecSession::OnOutput(OutputStream stream, const std::string& bytes) {
  OnBytes(bytes.size());
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
  if (!sent_) {
    return Finish(WithReason(Unavailable("vm '{}': the agent ended the connection: {}",
                                         request_.vm_name, Message(status)),
                             "AGENT_UNREACHABLE"));
  }
  const std::string why = status.ok() ? "the connection was closed" : std::string(Message(status));
  Finish(WithReason(Unavailable("vm '{}' went away; {} ({})", request_.vm_name, request_.loss, why),
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
  if (ended_ || !request_.takes_input) return;
  if (!sent_) {
    input_end_due_ = true;
    return;
  }
  agent::v1::ClientFrame frame;
  frame.mutable_stdin_end();
  connection_->Send(frame);
}

void ExecSession::Resize(TerminalSize size) {
  if (ended_ || !sent_ || !request_.takes_input) return;
  agent::v1::ClientFrame frame;
  frame.mutable_resize()->set_rows(size.rows);
  frame.mutable_resize()->set_columns(size.columns);
  connection_->Send(frame);
}

void ExecSession::Signal(uint32_t number) {
  if (ended_ || !sent_ || !request_.takes_input) return;
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
  Finish(Cancelled("exec in vm '{}' was cancelled", request_.vm_name));
}

void ExecSession::Finish(absl::StatusOr<ExecResult> result) {
  if (ended_) return;
  ended_ = true;
  io_.CancelTimer(timer_);
  if (connection_.has_value()) connection_->Close();
  std::exchange(client_, nullptr)->Ended(std::move(result));
}

}  // namespace ember::daemon
