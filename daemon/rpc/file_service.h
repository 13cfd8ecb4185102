#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/host.h"
#include "ember/v1/file_service.grpc.pb.h"

namespace ember::daemon::rpc {

// Files in VMs, over gRPC. Only converts and posts; gRPC's threads call it.
class FileService : public v1::FileService::CallbackService {
 public:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  // Both outlive the service.
  FileService(Host& host, EventLoop& io) : host_(host), io_(io) {}

  grpc::ServerWriteReactor<v1::ReadTreeResponse>* ReadTree(
      Context* context, const v1::ReadTreeRequest* request) override;
  grpc::ServerReadReactor<v1::WriteTreeRequest>* WriteTree(Context* context,
                                                           v1::TreeEnd* response) override;
  grpc::ServerWriteReactor<v1::ListDirectoryResponse>* ListDirectory(
      Context* context, const v1::ListDirectoryRequest* request) override;
  Unary* StatFile(Context* context, const v1::StatFileRequest* request,
                  v1::FileInfo* response) override;
  Unary* RemoveFile(Context* context, const v1::RemoveFileRequest* request,
                    v1::RemoveFileResponse* response) override;
  Unary* MakeDirectory(Context* context, const v1::MakeDirectoryRequest* request,
                       v1::MakeDirectoryResponse* response) override;

 private:
  Host& host_;
  EventLoop& io_;
};

}  // namespace ember::daemon::rpc
