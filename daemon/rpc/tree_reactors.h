#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/file_session.h"
#include "daemon/host.h"
#include "ember/v1/file_service.pb.h"

// The calls of FileService whose messages come in pieces. Each reactor owns itself until gRPC is
// done with it; all state lives on `io`.
namespace ember::daemon::rpc {

grpc::ServerWriteReactor<v1::ReadTreeResponse>* NewReadTreeReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context,
    const v1::ReadTreeRequest& request);

grpc::ServerWriteReactor<v1::ListDirectoryResponse>* NewListDirectoryReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context,
    const v1::ListDirectoryRequest& request);

// Reads from the client only while the agent takes what it gets.
grpc::ServerReadReactor<v1::WriteTreeRequest>* NewWriteTreeReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context, v1::TreeEnd& response);

v1::FileInfo ToProto(const agent::v1::FileInfo& facts);
v1::TreeEnd ToProto(const agent::v1::TreeEnd& end);

}  // namespace ember::daemon::rpc
