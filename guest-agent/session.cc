#include "guest-agent/session.h"

#include <string>
#include <utility>

#include "base/frame.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/failure.h"
#include "guest-agent/guest_identity.h"

namespace ember::agent {
using v1::AgentFrame;
using v1::ClientFrame;

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
            {.received =
                 [this](std::string_view bytes) {
                   if (finished_) return;
                   stream_.Append(bytes);
                   Proceed();
                 },
             // A client that sends no more has left: it could not even send a signal.
             .input_ended = [this] { over_(); },
             .sent =
                 [this] {
                   if (!finished_ && task_ != nullptr) task_->OnSent();
                 },
             .gone = [this] { over_(); }}),
      self_(std::make_shared<Session*>(this)) {}

Session::~Session() { *self_ = nullptr; }

void Session::Proceed() {
  corked_ = true;  // answers to frames that came together leave together
  while (!finished_ && reading_ == Reading::kOn) {
    auto frame = stream_.Next();
    if (!frame.ok()) {
      Refuse(frame.status());
      break;
    }
    if (!frame->has_value()) break;
    Handle(**frame);
  }
  corked_ = false;
  const size_t before = peer_.pending();
  peer_.Flush();
  // A task that has filled the queue meanwhile waits to be told that it is short again.
  if (!finished_ && task_ != nullptr && peer_.pending() < before) task_->OnSent();
}

void Session::Handle(const ClientFrame& frame) {
  if (frame.has_hello()) return ReplyHello(frame.hello());
  if (task_ == nullptr) return StartTask(frame);
  if (const absl::Status taken = task_->OnFrame(frame); !taken.ok()) Refuse(taken);
}

void Session::Refuse(const absl::Status& status) {
  task_.reset();
  Fail(status);
}

void Session::ReplyHello(const v1::Hello& hello) {
  context_.log.Debug("hello", {{"client", hello.client()}});
  AgentFrame frame;
  v1::HelloReply& reply = *frame.mutable_hello_reply();
  reply.mutable_version()->set_major(kProtocolMajor);
  reply.mutable_version()->set_minor(kProtocolMinor);
  reply.set_agent_version(EMBER_VERSION);
  for (const std::string_view capability : Capabilities()) {
    reply.add_capabilities(std::string(capability));
  }
  reply.set_boot_id(BootId());
  reply.set_hostname(Hostname());
  reply.set_uptime_seconds(UptimeSeconds());
  Send(frame);
}

void Session::StartTask(const ClientFrame& request) {
  auto task = FindTask(request.kind_case())(context_, request, *this);
  if (!task.ok()) return Fail(task.status());
  task_ = *std::move(task);
}

void Session::Send(const AgentFrame& frame) {
  if (finished_) return;
  AppendFrame(frame.SerializeAsString(), peer_.queue());
  if (!corked_) peer_.Flush();
}

void Session::SetReading(Reading reading) {
  if (finished_ || reading == reading_) return;
  reading_ = reading;
  peer_.SetReading(reading);
  if (reading == Reading::kOff) return;
  // Frames that came before the pause: outside the task's own call.
  context_.loop.Post([self = self_] {
    if (*self != nullptr) (*self)->Proceed();
  });
}

void Session::Finish() {
  if (std::exchange(finished_, true)) return;
  if (reading_ == Reading::kOff) peer_.SetReading(Reading::kOn);
  peer_.Finish();
}

void Session::Fail(const absl::Status& status) {
  context_.log.Debug("session refused", {{"reason", status.ToString()}});
  AgentFrame frame;
  *frame.mutable_failure() = FailureOf(status);
  Send(frame);
  Finish();
}

TakenSocket Session::Take() {
  finished_ = true;
  TakenSocket taken;
  taken.fd = peer_.Release();
  taken.unsent = peer_.TakePending();
  taken.received = stream_.TakeRest();
  over_();
  return taken;
}

}  // namespace ember::agent
