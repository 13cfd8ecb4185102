#include "cli/usage_calls.h"

#include "cli/calls.h"
#include "ember/v1/storage_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::StorageService::Stub;

}  // namespace

absl::StatusOr<v1::StorageUsage> GetStorageUsage(Client& client, CallOptions options) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncGetStorageUsage, v1::GetStorageUsageRequest(),
                 options);
}

absl::StatusOr<v1::PruneStorageResponse> PruneStorage(Client& client,
                                                      const v1::PruneStorageRequest& request,
                                                      CallOptions options) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncPruneStorage, request, options);
}

}  // namespace ember::cli
