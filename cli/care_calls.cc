#include "cli/care_calls.h"

#include "cli/calls.h"
#include "ember/v1/care_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::CareService::Stub;

}  // namespace

std::vector<absl::StatusOr<v1::VmStats>> GetVmStats(Client& client,
                                                    const std::vector<std::string>& vms) {
  std::vector<v1::GetVmStatsRequest> requests(vms.size());
  for (size_t i = 0; i < vms.size(); ++i) requests[i].set_vm(vms[i]);
  const auto stub = v1::CareService::NewStub(client.channel());
  return CallMany(*stub, client.signals(), &Stub::AsyncGetVmStats, requests, {});
}

absl::Status WaitPort(Client& client, const v1::WaitPortRequest& request, CallOptions options) {
  const auto stub = v1::CareService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncWaitPort, request, options).status();
}

}  // namespace ember::cli
