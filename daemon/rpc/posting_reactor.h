#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "base/event_loop.h"

namespace ember::daemon::rpc {

// gRPC's half of a call with two streams, whose other half lives on `io`: a `Call` has
//
//   EventLoop& io() const;
//   void OnRequest(bool ok);  // one was read into `request`, or there are no more
//   void OnWritten(bool ok);
//   void OnCancelled();
//
// which are called there, one after the other. Owns itself until the call is done.
template <typename Request, typename Response, typename Call>
class PostingReactor : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // Reads the first request. `call` is made with a reference to this.
  void Begin(std::shared_ptr<Call> call) {
    call_ = std::move(call);
    this->StartRead(&request);
  }

  Request request;  // gRPC's while a read is under way

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

  std::shared_ptr<Call> call_;
};

}  // namespace ember::daemon::rpc
