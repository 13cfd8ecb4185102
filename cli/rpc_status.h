#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace ember::cli {

// The outcome of a call as a status of ours: the same code and message, with the reason, hint and
// metadata of the ErrorDetail in the trailing metadata (proto/ember/v1/error.proto). Unavailable
// without such a detail comes from the transport, not from the daemon, and gets the reason
// DAEMON_UNREACHABLE.
absl::Status StatusOfCall(const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace ember::cli
