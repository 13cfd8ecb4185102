#include "cli/process_calls.h"

#include "cli/service_call.h"
#include "ember/v1/process_service.grpc.pb.h"

namespace ember::cli {

using Stub = v1::ProcessService::Stub;

absl::StatusOr<v1::ListProcessesResponse> ListProcesses(
    const std::shared_ptr<grpc::ChannelInterface>& channel,
    const v1::ListProcessesRequest& request) {
  const auto stub = v1::ProcessService::NewStub(channel);
  return CallService(*stub, &Stub::PrepareAsyncListProcesses, request);
}

absl::Status SignalProcess(const std::shared_ptr<grpc::ChannelInterface>& channel,
                           const v1::SignalProcessRequest& request) {
  const auto stub = v1::ProcessService::NewStub(channel);
  return CallService(*stub, &Stub::PrepareAsyncSignalProcess, request).status();
}

}  // namespace ember::cli
