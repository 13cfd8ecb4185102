#include "guest-agent/session.h"

#include <string>
#include <utility>

#include "base/frame.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/exec_request.h"
#include "guest-agent/guest_identity.h"

namespace ember::agent {
namespace {

using v1::AgentFrame;
using v1::ClientFrame;

v1::Failure::Reason ReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
      return v1::Failure::VERSION;
    case absl::StatusCode::kInvalidArgument:
      return v1::Failure::BAD_REQUEST;
    case absl::StatusCode::kNotFound:
      return v1::Failure::NOT_FOUND;
    case absl::StatusCode::kPermissionDenied:
      return v1::Failure::CANNOT_EXECUTE;
    case absl::StatusCode::kResourceExhausted:
      return v1::Failure::EXHAUSTED;
    default:
      return v1::Failure::INTERNAL;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Session::Create(const Context& context, UniqueFd socket,
                                                            std::function<void()> over) {
  std::unique_ptr<Session> session(new Session(context, std::move(socket), std::move(over)));
  RETURN_IF_ERROR(session->peer_.Start());
  return session;
}

Session::Session(const Context& context, UniqueFd socket, std::function<void()> over)
    : context_(context),
      over_(std::move(over)),
      peer_(context.loop, std::move(socket),
            {.received = [this](std::string_view bytes) { OnReceived(bytes); },
             // A client that sends no more has left: it could not even send a signal.
             .input_ended = [this] { over_(); },
             .sent = [this] { OnSent(); },
             .gone = [this] { over_(); }}) {}

void Session::OnReceived(std::string_view bytes) {
  if (finished_) return;
  stream_.Append(bytes);
  while (!finished_) {
    auto frame = stream_.Next();
    if (!frame.ok()) {
      Fail(frame.status());
      break;
    }
    if (!frame->has_value()) break;
    Handle(**frame);
  }
  peer_.Flush();
}

void Session::Handle(const ClientFrame& frame) {
  switch (frame.kind_case()) {
    case ClientFrame::kHello:
      return ReplyHello(frame.hello());
    case ClientFrame::kExecStart:
      return StartExec(frame.exec_start());
    case ClientFrame::kShutdown:
      return Shutdown(frame.shutdown());
    case ClientFrame::kStdinData:
      return execution_->WriteInput(frame.stdin_data().payload());
    case ClientFrame::kStdinEnd:
      return execution_->EndInput();
    case ClientFrame::kResize:
      return execution_->Resize(SizeOf(frame.resize().rows(), frame.resize().columns()));
    case ClientFrame::kSignal:
      return execution_->Signal(static_cast<int>(frame.signal().number()));
    case ClientFrame::KIND_NOT_SET:
      return;
  }
}

void Session::ReplyHello(const v1::Hello& hello) {
  context_.log.Debug("hello", {{"client", hello.client()}});
  AgentFrame frame;
  v1::HelloReply& reply = *frame.mutable_hello_reply();
  reply.mutable_version()->set_major(kProtocolMajor);
  reply.mutable_version()->set_minor(kProtocolMinor);
  reply.set_agent_version(EMBER_VERSION);
  for (const char* capability : {"exec", "tty", "shutdown"}) reply.add_capabilities(capability);
  reply.set_boot_id(BootId());
  reply.set_hostname(Hostname());
  reply.set_uptime_seconds(UptimeSeconds());
  Send(frame);
}

void Session::StartExec(const v1::ExecStart& start) {
  const auto spec = SpecOf(start);
  if (!spec.ok()) return Fail(spec.status());
  auto execution = Execution::Start(
      context_.loop, context_.children, context_.spawner, *spec,
      {.output = [this](OutputStream stream, std::string_view bytes) { OnOutput(stream, bytes); },
       .input_consumed = [this](size_t bytes) { OnInputConsumed(bytes); },
       .ended = [this](const ExitStatus& exit) { OnEnded(exit); }});
  if (!execution.ok()) return Fail(execution.status());
  execution_ = *std::move(execution);
  stream_.GrantInput(kInputCredit);
  AgentFrame frame;
  frame.mutable_exec_started()->set_pid(static_cast<uint32_t>(execution_->pid()));
  frame.mutable_exec_started()->set_stdin_credit(kInputCredit);
  Send(frame);
  context_.log.Debug("exec",
                     {{"program", start.argv(0)}, {"pid", std::to_string(execution_->pid())}});
}

void Session::Shutdown(const v1::Shutdown& request) {
  AgentFrame frame;
  frame.mutable_shutdown_reply();
  Send(frame);
  finished_ = true;
  peer_.Finish();
  context_.power.Begin(request.mode() == v1::Shutdown::REBOOT ? PowerMode::kReboot
                                                              : PowerMode::kPowerOff);
}

void Session::OnOutput(OutputStream stream, std::string_view bytes) {
  std::string& payload = *(stream == OutputStream::kOut ? output_frame_.mutable_stdout_data()
                                                        : output_frame_.mutable_stderr_data())
                              ->mutable_payload();
  payload.assign(bytes);
  Send(output_frame_);
  peer_.Flush();
  if (peer_.pending() >= kOutputLimit) execution_->HoldOutput();
}

void Session::OnInputConsumed(size_t bytes) {
  credit_due_ += bytes;
  SendCredit();
  peer_.Flush();
}

// Told in halves of the window, so that a busy input costs few frames; what is left is told when
// the client reads again.
void Session::SendCredit() {
  if (credit_due_ < kInputCredit / 2 || peer_.pending() >= kOutputLimit || finished_) return;
  AgentFrame frame;
  frame.mutable_stdin_credit()->set_bytes(credit_due_);
  stream_.GrantInput(credit_due_);
  credit_due_ = 0;
  Send(frame);
}

void Session::OnSent() {
  if (finished_) return;
  if (peer_.pending() < kOutputLimit / 2) {
    SendCredit();
    if (execution_ != nullptr) execution_->ReleaseOutput();
  }
  peer_.Flush();
}

void Session::OnEnded(const ExitStatus& exit) {
  AgentFrame frame;
  v1::ExecExited& exited = *frame.mutable_exec_exited();
  if (exit.signal.has_value()) {
    exited.set_signal(static_cast<uint32_t>(*exit.signal));
  } else {
    exited.set_code(exit.code.value_or(0));
  }
  Send(frame);
  finished_ = true;
  peer_.Finish();
}

void Session::Send(const AgentFrame& frame) {
  AppendFrame(frame.SerializeAsString(), peer_.queue());
}

void Session::Fail(const absl::Status& status) {
  context_.log.Debug("session refused", {{"reason", status.ToString()}});
  execution_.reset();
  AgentFrame frame;
  frame.mutable_failure()->set_reason(ReasonOf(status));
  frame.mutable_failure()->set_message(std::string(Message(status)));
  Send(frame);
  finished_ = true;
  peer_.Finish();
}

}  // namespace ember::agent
