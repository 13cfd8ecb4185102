#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "daemon/host.h"
#include "ember/v1/forward_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.ForwardService (proto/ember/v1/forward_service.proto): converts and posts, decides
// nothing. Thread-safe.
class ForwardService : public v1::ForwardService::CallbackService {
 public:
  // Both borrowed; they outlive the server.
  ForwardService(Host& host, EventLoop& io) : host_(host), io_(io) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* AddForward(Context*, const v1::AddForwardRequest*, v1::Forward*) override;
  Unary* ListForwards(Context*, const v1::ListForwardsRequest*, v1::ListForwardsResponse*) override;
  Unary* RemoveForward(Context*, const v1::RemoveForwardRequest*,
                       v1::RemoveForwardResponse*) override;
  grpc::ServerBidiReactor<v1::ProxyRequest, v1::ProxyResponse>* Proxy(Context*) override;

  Host& host_;
  EventLoop& io_;
};

}  // namespace ember::daemon::rpc
