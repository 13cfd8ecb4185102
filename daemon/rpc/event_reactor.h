#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::daemon::rpc {

// Serves one WatchEvents call: pulls events from the host as fast as the client takes them. Owns
// itself until the call is done.
grpc::ServerWriteReactor<v1::Event>* NewEventReactor(Host& host,
                                                     grpc::CallbackServerContext& context,
                                                     const v1::WatchEventsRequest& request);

}  // namespace ember::daemon::rpc
