#include "daemon/rpc/proxy_reactor.h"

#include <deque>
#include <memory>
#include <utility>

#include "base/status.h"
#include "daemon/forward_check.h"
#include "daemon/proxy_session.h"
#include "daemon/rpc/forward_convert.h"
#include "daemon/rpc/posting_reactor.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {
namespace {

class ProxyCall;
using ProxyReactor = PostingReactor<v1::ProxyRequest, v1::ProxyResponse, ProxyCall>;

// What there is of the call on `io`: all of its state lives there, gRPC's threads only post. Shared
// by the reactor, the session and posted tasks. A request is read once the session has taken the
// one before, and output is asked for once what came before is written.
class ProxyCall : public ProxySession::Client, public std::enable_shared_from_this<ProxyCall> {
 public:
  ProxyCall(Host& host, EventLoop& io, ProxyReactor& reactor, grpc::CallbackServerContext& context)
      : host_(host), io_(io), reactor_(reactor), context_(context) {}

  EventLoop& io() const { return io_; }
  void OnRequest(bool ok);
  void OnWritten(bool ok);
  void OnCancelled();

 private:
  void Begin(const v1::ProxyStart& start);
  void OnReached(absl::StatusOr<ReachedVm> vm, const state::ForwardSide& guest);
  void Handle(v1::ProxyRequest& request);

  void Opened() override;
  void Output(std::string_view bytes) override;
  void OutputEnded() override;
  void InputTaken() override { ReadNext(); }
  void Ended(absl::Status status) override;

  void ReadNext();
  void Send(v1::ProxyResponse response);
  void WriteNext();
  void Finish(const absl::Status& status);

  Host& host_;
  EventLoop& io_;
  ProxyReactor& reactor_;  // lives until Finish has been called and gRPC is done
  grpc::CallbackServerContext& context_;
  std::shared_ptr<ProxySession> session_;
  std::deque<v1::ProxyResponse> queue_;  // at most one piece of output, with its `open` and `end`
  bool begun_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
  absl::Status end_;
  bool finished_ = false;
};

void ProxyCall::ReadNext() {
  if (!finished_) reactor_.StartRead(&reactor_.request);
}

void ProxyCall::OnRequest(bool ok) {
  if (finished_) return;
  if (!ok) {
    if (!begun_) return Finish(InvalidArgument("proxy: the stream ended before its first message"));
    // The client sends no more.
    if (session_ != nullptr) session_->InputEnd();
    return;
  }
  if (begun_) return Handle(reactor_.request);
  begun_ = true;
  if (!reactor_.request.has_start()) {
    return Finish(InvalidArgument("proxy: the first message must be 'start'"));
  }
  Begin(reactor_.request.start());
}

void ProxyCall::Begin(const v1::ProxyStart& start) {
  auto guest = FromProto(start.guest());
  if (!guest.ok()) return Finish(guest.status());
  if (absl::Status sound = CheckStreamTarget(*guest); !sound.ok()) return Finish(sound);
  host_.Reach(start.vm(), Reply<ReachedVm>([call = shared_from_this(),
                                            guest = *std::move(guest)](auto vm) mutable {
                call->io_.Post([call, vm = std::move(vm), guest = std::move(guest)]() mutable {
                  call->OnReached(std::move(vm), guest);
                });
              }));
}

void ProxyCall::OnReached(absl::StatusOr<ReachedVm> vm, const state::ForwardSide& guest) {
  if (!vm.ok()) return Finish(vm.status());
  if (cancelled_) return Finish(Cancelled("proxy: cancelled"));
  session_ = ProxySession::Start(io_, *std::move(vm), guest, shared_from_this());
}

void ProxyCall::Handle(v1::ProxyRequest& request) {
  switch (request.step_case()) {
    case v1::ProxyRequest::kData:
      return session_->Input(std::move(*request.mutable_data()));
    case v1::ProxyRequest::kEnd:
      return session_->InputEnd();
    default:
      return ReadNext();  // a second start, or what newer clients may send
  }
}

void ProxyCall::Opened() {
  v1::ProxyResponse response;
  response.set_open(true);
  Send(std::move(response));
  ReadNext();
}

void ProxyCall::Output(std::string_view bytes) {
  v1::ProxyResponse response;
  response.set_data(bytes.data(), bytes.size());
  Send(std::move(response));
}

void ProxyCall::OutputEnded() {
  v1::ProxyResponse response;
  response.set_end(true);
  Send(std::move(response));
}

void ProxyCall::Ended(absl::Status status) {
  ended_ = true;
  end_ = std::move(status);
  WriteNext();
}

void ProxyCall::Send(v1::ProxyResponse response) {
  queue_.push_back(std::move(response));
  WriteNext();
}

// One write at a time; after the last one the call ends.
void ProxyCall::WriteNext() {
  if (writing_ || finished_) return;
  if (queue_.empty() || cancelled_) {
    if (ended_) Finish(end_);
    return;
  }
  writing_ = true;
  reactor_.StartWrite(&queue_.front());
}

void ProxyCall::OnWritten(bool ok) {
  if (finished_) return;
  writing_ = false;
  const bool piece = queue_.front().has_data();
  queue_.pop_front();
  if (!ok) return OnCancelled();
  if (piece) session_->OutputTaken();
  WriteNext();
}

void ProxyCall::OnCancelled() {
  cancelled_ = true;
  if (session_ != nullptr) session_->Cancel();
  WriteNext();
}

void ProxyCall::Finish(const absl::Status& status) {
  if (finished_) return;
  finished_ = true;
  session_.reset();
  reactor_.Finish(StatusToGrpc(status, context_));
}

}  // namespace

grpc::ServerBidiReactor<v1::ProxyRequest, v1::ProxyResponse>* NewProxyReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context) {
  auto* reactor = new ProxyReactor;
  reactor->Begin(std::make_shared<ProxyCall>(host, io, *reactor, context));
  return reactor;
}

}  // namespace ember::daemon::rpc
