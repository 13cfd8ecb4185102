#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::daemon::rpc {

// Serves one Console call on a thread of its own. Owns itself until the call is done.
grpc::ServerWriteReactor<v1::ConsoleChunk>* NewConsoleReactor(Host& host, Catalog& catalog,
                                                              grpc::CallbackServerContext& context,
                                                              const v1::ConsoleRequest& request);

}  // namespace ember::daemon::rpc
