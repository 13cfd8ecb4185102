#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "ember/v1/process_service.pb.h"

namespace grpc {
class ChannelInterface;
}

// The questions of ember.v1.ProcessService. Each blocks; SIGINT cancels it.
namespace ember::cli {

absl::StatusOr<v1::ListProcessesResponse> ListProcesses(
    const std::shared_ptr<grpc::ChannelInterface>& channel,
    const v1::ListProcessesRequest& request);
absl::Status SignalProcess(const std::shared_ptr<grpc::ChannelInterface>& channel,
                           const v1::SignalProcessRequest& request);

}  // namespace ember::cli
