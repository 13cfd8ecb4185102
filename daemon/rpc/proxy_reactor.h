#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "daemon/host.h"
#include "ember/v1/forward_service.pb.h"

namespace ember::daemon::rpc {

// Serves one Proxy call: joins the stream to a ProxySession on `io`. Owns itself until the call is
// done.
grpc::ServerBidiReactor<v1::ProxyRequest, v1::ProxyResponse>* NewProxyReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context);

}  // namespace ember::daemon::rpc
