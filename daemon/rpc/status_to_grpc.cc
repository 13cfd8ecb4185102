#include "daemon/rpc/status_to_grpc.h"

#include <string>

#include "base/status.h"
#include "ember/v1/error.pb.h"

namespace ember::daemon::rpc {

grpc::Status StatusToGrpc(const absl::Status& status, grpc::ServerContextBase& context) {
  if (status.ok()) return grpc::Status::OK;
  v1::ErrorDetail detail;
  detail.set_reason(ReasonOf(status).value_or(""));
  detail.set_hint(HintOf(status).value_or(""));
  for (const auto& [key, value] : MetadataOf(status)) (*detail.mutable_metadata())[key] = value;
  context.AddTrailingMetadata(kErrorDetailKey, detail.SerializeAsString());
  // The two enumerations have the same numbers (both follow google.rpc.Code).
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(Message(status)));
}

}  // namespace ember::daemon::rpc
