#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/process_service.grpc.pb.h"

namespace ember::daemon::rpc {

// Serves one FollowProcess call: joins the stream to an ExecSession on `io`. Owns itself until the
// call is done.
grpc::ServerBidiReactor<v1::FollowProcessRequest, v1::FollowProcessResponse>* NewFollowReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context);

}  // namespace ember::daemon::rpc
