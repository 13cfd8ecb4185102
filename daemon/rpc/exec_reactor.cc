#include "daemon/rpc/exec_reactor.h"

#include <deque>
#include <memory>
#include <utility>

#include "base/status.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {
namespace {

class ExecReactor;

// What there is of the call on `io`: all of its state lives there, gRPC's threads only post. Shared
// by the reactor, the session and posted tasks.
class ExecCall : public ExecSession::Client, public std::enable_shared_from_this<ExecCall> {
 public:
  ExecCall(Host& host, EventLoop& io, ExecReactor& reactor, grpc::CallbackServerContext& context)
      : host_(host), io_(io), reactor_(reactor), context_(context) {}

  EventLoop& io() const { return io_; }
  void OnRequest(bool ok);
  void OnWritten(bool ok);
  void OnCancelled();

 private:
  void Begin(const v1::ExecStart& start);
  void OnSession(absl::StatusOr<std::shared_ptr<ExecSession>> session);
  void Handle(const v1::ExecRequest& request);

  void Started(uint32_t pid, uint64_t stdin_credit) override;
  void Output(OutputStream stream, std::string_view bytes) override;
  void InputCredit(uint64_t bytes) override;
  void Ended(absl::StatusOr<ExecResult> result) override;

  void ReadNext();
  void Send(v1::ExecResponse response);
  void WriteNext();
  void Finish(const absl::Status& status);

  Host& host_;
  EventLoop& io_;
  ExecReactor& reactor_;  // lives until Finish has been called and gRPC is done
  grpc::CallbackServerContext& context_;
  std::shared_ptr<ExecSession> session_;
  std::deque<v1::ExecResponse> queue_;  // bounded by the session's output window
  bool begun_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
  absl::Status end_;
  bool finished_ = false;
};

class ExecReactor : public grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse> {
 public:
  ExecReactor(Host& host, EventLoop& io, grpc::CallbackServerContext& context)
      : call_(std::make_shared<ExecCall>(host, io, *this, context)) {
    StartRead(&request);
  }

  v1::ExecRequest request;

 private:
  void OnReadDone(bool ok) override {
    call_->io().Post([call = call_, ok] { call->OnRequest(ok); });
  }
  void OnWriteDone(bool ok) override {
    call_->io().Post([call = call_, ok] { call->OnWritten(ok); });
  }
  void OnCancel() override {
    call_->io().Post([call = call_] { call->OnCancelled(); });
  }
  void OnDone() override { delete this; }

  const std::shared_ptr<ExecCall> call_;
};

void ExecCall::ReadNext() {
  if (!finished_) reactor_.StartRead(&reactor_.request);
}

void ExecCall::OnRequest(bool ok) {
  if (finished_) return;
  if (!ok) {
    // The client sends no more. Without a session there never was a command.
    if (!begun_) return Finish(InvalidArgument("exec: the stream ended before its first message"));
    if (session_ != nullptr) session_->InputEnd();
    return;
  }
  if (!begun_) {
    begun_ = true;
    if (!reactor_.request.has_start())
      return Finish(InvalidArgument("exec: the first message must be 'start'"));
    return Begin(reactor_.request.start());
  }
  Handle(reactor_.request);
  ReadNext();
}

void ExecCall::Begin(const v1::ExecStart& start) {
  auto command = FromProto(start);
  if (!command.ok()) return Finish(command.status());
  host_.Exec(*std::move(command), shared_from_this(),
             Reply<std::shared_ptr<ExecSession>>(
                 [call = shared_from_this()](absl::StatusOr<std::shared_ptr<ExecSession>> session) {
                   call->io_.Post([call, session = std::move(session)]() mutable {
                     call->OnSession(std::move(session));
                   });
                 }));
}

void ExecCall::OnSession(absl::StatusOr<std::shared_ptr<ExecSession>> session) {
  if (!session.ok()) return Finish(session.status());
  session_ = *std::move(session);
  if (cancelled_) return session_->Cancel();
  if (!ended_) ReadNext();
}

void ExecCall::Handle(const v1::ExecRequest& request) {
  switch (request.step_case()) {
    case v1::ExecRequest::kStdinData:
      return session_->Input(request.stdin_data());
    case v1::ExecRequest::kStdinEnd:
      return session_->InputEnd();
    case v1::ExecRequest::kResize:
      return session_->Resize({request.resize().rows(), request.resize().columns()});
    case v1::ExecRequest::kSignal:
      return session_->Signal(request.signal());
    default:
      return;  // a second start, or what newer clients may send
  }
}

void ExecCall::Started(uint32_t pid, uint64_t stdin_credit) {
  v1::ExecResponse response;
  response.mutable_started()->set_pid(pid);
  response.mutable_started()->set_stdin_credit(stdin_credit);
  Send(std::move(response));
}

void ExecCall::Output(OutputStream stream, std::string_view bytes) {
  v1::ExecResponse response;
  if (stream == OutputStream::kStdout) {
    response.set_stdout_data(bytes.data(), bytes.size());
  } else {
    response.set_stderr_data(bytes.data(), bytes.size());
  }
  Send(std::move(response));
}

void ExecCall::InputCredit(uint64_t bytes) {
  v1::ExecResponse response;
  response.set_stdin_credit(bytes);
  Send(std::move(response));
}

void ExecCall::Ended(absl::StatusOr<ExecResult> result) {
  ended_ = true;
  if (result.ok()) {
    v1::ExecResponse response;
    *response.mutable_exited() = ToProto(*result);
    queue_.push_back(std::move(response));
  }
  end_ = result.status();
  WriteNext();
}

void ExecCall::Send(v1::ExecResponse response) {
  queue_.push_back(std::move(response));
  WriteNext();
}

// One write at a time; after the last one the call ends.
void ExecCall::WriteNext() {
  if (writing_ || finished_) return;
  if (queue_.empty() || cancelled_) {
    if (ended_) Finish(end_);
    return;
  }
  writing_ = true;
  const bool last = ended_ && queue_.size() == 1 && end_.ok();
  if (last) {
    finished_ = true;
    return reactor_.StartWriteAndFinish(&queue_.front(), grpc::WriteOptions(), grpc::Status::OK);
  }
  reactor_.StartWrite(&queue_.front());
}

void ExecCall::OnWritten(bool ok) {
  if (finished_) return;
  writing_ = false;
  const v1::ExecResponse& sent = queue_.front();
  const size_t output = sent.stdout_data().size() + sent.stderr_data().size();
  queue_.pop_front();
  if (!ok) return OnCancelled();
  if (output > 0 && session_ != nullptr) session_->OutputTaken(output);
  WriteNext();
}

void ExecCall::OnCancelled() {
  cancelled_ = true;
  if (session_ != nullptr) session_->Cancel();
  WriteNext();
}

void ExecCall::Finish(const absl::Status& status) {
  if (finished_) return;
  finished_ = true;
  reactor_.Finish(StatusToGrpc(status, context_));
}

}  // namespace

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* NewExecReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context) {
  return new ExecReactor(host, io, context);
}

}  // namespace ember::daemon::rpc
