#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <utility>

#include "base/event_loop.h"
#include "base/reply.h"
#include "base/status.h"
#include "daemon/exec_session.h"
#include "daemon/host.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/posting_reactor.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {

// Serves one call that joins a stream to an ExecSession. `Kind` says which: its Request and
// Response have the same steps beside the first one, and it has
//
//   static constexpr std::string_view kName;     // for messages
//   static void Begin(Host&, EventLoop& io, const Request&, client, Reply<session>);
//   static void SetStarted(const StartedProcess&, Response&);
//
// The session's window bounds what waits here; gRPC takes one response at a time. All state lives
// on `io`; shared by the reactor, the session and posted tasks.
template <typename Kind>
class SessionCall : public ExecSession::Client,
                    public std::enable_shared_from_this<SessionCall<Kind>> {
 public:
  using Request = typename Kind::Request;
  using Response = typename Kind::Response;
  using Reactor = PostingReactor<Request, Response, SessionCall>;

  // `reactor` lives until Finish has been called and gRPC is done.
  SessionCall(Host& host, EventLoop& io, Reactor& reactor, grpc::CallbackServerContext& context)
      : host_(host), io_(io), reactor_(reactor), context_(context) {}

  EventLoop& io() const { return io_; }

  void OnRequest(bool ok) {
    if (finished_) return;
    if (!ok) {
      // The client sends no more. Without a session there never was a command.
      if (!begun_) {
        return Finish(
            InvalidArgument("{}: the stream ended before its first message", Kind::kName));
      }
      if (session_ != nullptr) session_->InputEnd();
      return;
    }
    if (!begun_) {
      begun_ = true;
      if (!reactor_.request.has_start()) {
        return Finish(InvalidArgument("{}: the first message must be 'start'", Kind::kName));
      }
      return Begin();
    }
    Handle(reactor_.request);
    ReadNext();
  }

  void OnWritten(bool ok) {
    if (finished_) return;
    writing_ = false;
    const size_t cost = CostOf(queue_.front());
    queue_.pop_front();
    if (!ok) return OnCancelled();
    if (cost > 0 && session_ != nullptr) session_->OutputTaken(cost);
    WriteNext();
  }

  void OnCancelled() {
    cancelled_ = true;
    if (session_ != nullptr) session_->Cancel();
    WriteNext();
  }

 private:
  void Begin() {
    auto reply = Reply<std::shared_ptr<ExecSession>>(
        [call = this->shared_from_this()](absl::StatusOr<std::shared_ptr<ExecSession>> session) {
          call->io_.Post([call, session = std::move(session)]() mutable {
            call->OnSession(std::move(session));
          });
        });
    Kind::Begin(host_, io_, reactor_.request, this->shared_from_this(), std::move(reply));
  }

  void OnSession(absl::StatusOr<std::shared_ptr<ExecSession>> session) {
    if (!session.ok()) return Finish(session.status());
    session_ = *std::move(session);
    if (cancelled_) return session_->Cancel();
    if (!ended_) ReadNext();
  }

  void Handle(const Request& request) {
    switch (request.step_case()) {
      case Request::kStdinData:
        return session_->Input(request.stdin_data());
      case Request::kStdinEnd:
        return session_->InputEnd();
      case Request::kResize:
        return session_->Resize({request.resize().rows(), request.resize().columns()});
      case Request::kSignal:
        return session_->Signal(request.signal());
      default:
        return;  // a second start, or what newer clients may send
    }
  }

  void Started(const StartedProcess& process) override {
    Response response;
    Kind::SetStarted(process, response);
    Send(std::move(response));
  }
  void Output(OutputStream stream, std::string_view bytes) override {
    Response response;
    if (stream == OutputStream::kStdout) {
      response.set_stdout_data(bytes.data(), bytes.size());
    } else {
      response.set_stderr_data(bytes.data(), bytes.size());
    }
    Send(std::move(response));
  }
  void Lost(uint64_t bytes) override {
    Response response;
    if constexpr (requires { response.set_lost_bytes(bytes); }) response.set_lost_bytes(bytes);
    Send(std::move(response));
  }
  void InputCredit(uint64_t bytes) override {
    Response response;
    response.set_stdin_credit(bytes);
    Send(std::move(response));
  }
  void Ended(absl::StatusOr<ExecResult> result) override {
    ended_ = true;
    if (result.ok() && *result != ExecResult{}) {
      Response response;
      *response.mutable_exited() = ToProto(*result);
      queue_.push_back(std::move(response));
    }
    end_ = result.status();
    WriteNext();
  }

  // What the session counts a response as.
  static size_t CostOf(const Response& response) {
    switch (response.step_case()) {
      case Response::kStarted:
      case Response::kExited:
        return 0;
      case Response::kStdoutData:
        return response.stdout_data().size();
      case Response::kStderrData:
        return response.stderr_data().size();
      default:
        return ExecSession::kNoticeCost;
    }
  }

  void ReadNext() {
    if (!finished_) reactor_.StartRead(&reactor_.request);
  }

  void Send(Response response) {
    queue_.push_back(std::move(response));
    WriteNext();
  }

  // One write at a time; after the last one the call ends.
  void WriteNext() {
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

  void Finish(const absl::Status& status) {
    if (finished_) return;
    finished_ = true;
    reactor_.Finish(StatusToGrpc(status, context_));
  }

  Host& host_;
  EventLoop& io_;
  Reactor& reactor_;
  grpc::CallbackServerContext& context_;
  std::shared_ptr<ExecSession> session_;
  std::deque<Response> queue_;  // bounded by the session's output window
  bool begun_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
  absl::Status end_;
  bool finished_ = false;
};

// The reactor of such a call; owns itself.
template <typename Kind>
typename SessionCall<Kind>::Reactor* NewSessionReactor(Host& host, EventLoop& io,
                                                       grpc::CallbackServerContext& context) {
  auto* reactor = new typename SessionCall<Kind>::Reactor;
  reactor->Begin(std::make_shared<SessionCall<Kind>>(host, io, *reactor, context));
  return reactor;
}

}  // namespace ember::daemon::rpc
