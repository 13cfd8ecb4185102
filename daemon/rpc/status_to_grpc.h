#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"

namespace ember::daemon::rpc {

// The trailing metadata that carries a serialised ember.v1.ErrorDetail.
inline constexpr char kErrorDetailKey[] = "ember-error-detail-bin";

// The same code and message for the wire; reason, hint and metadata go into `context`'s trailing
// metadata. Call before Finish.
grpc::Status StatusToGrpc(const absl::Status& status, grpc::ServerContextBase& context);

}  // namespace ember::daemon::rpc
