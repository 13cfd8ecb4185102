#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::daemon::rpc {

// Serves one Exec call: joins the stream to an ExecSession on `io`. Owns itself until the call is
// done.
grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* NewExecReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context);

}  // namespace ember::daemon::rpc
