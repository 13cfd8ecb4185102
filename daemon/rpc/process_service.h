#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/process_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.ProcessService (proto/ember/v1/process_service.proto): passes the questions on to the
// VM's agent. Thread-safe.
class ProcessService : public v1::ProcessService::CallbackService {
 public:
  // Borrowed; both outlive the server.
  ProcessService(Host& host, EventLoop& io) : host_(host), io_(io) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* ListProcesses(Context*, const v1::ListProcessesRequest*,
                       v1::ListProcessesResponse*) override;
  Unary* SignalProcess(Context*, const v1::SignalProcessRequest*,
                       v1::SignalProcessResponse*) override;
  grpc::ServerBidiReactor<v1::FollowProcessRequest, v1::FollowProcessResponse>* FollowProcess(
      Context*) override;

  // Asks the agent of a running VM. Internal when the answer is not of the `expected` kind.
  void Ask(const std::string& vm, agent::v1::ClientFrame question,
           agent::v1::AgentFrame::KindCase expected, Reply<agent::v1::AgentFrame> reply);

  Host& host_;
  EventLoop& io_;
};

}  // namespace ember::daemon::rpc
