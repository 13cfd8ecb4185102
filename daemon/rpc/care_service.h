#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "daemon/host.h"
#include "ember/v1/care_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.CareService (proto/ember/v1/care_service.proto): passes questions on to the agents.
// Thread-safe.
class CareService : public v1::CareService::CallbackService {
 public:
  // Both borrowed; they outlive the server.
  CareService(Host& host, EventLoop& io) : host_(host), io_(io) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* GetVmStats(Context*, const v1::GetVmStatsRequest*, v1::VmStats*) override;
  Unary* WaitPort(Context*, const v1::WaitPortRequest*, v1::WaitPortResponse*) override;

  Host& host_;
  EventLoop& io_;
};

}  // namespace ember::daemon::rpc
