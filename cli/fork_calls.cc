#include "cli/fork_calls.h"

#include "cli/calls.h"
#include "ember/v1/storage_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::StorageService::Stub;

}  // namespace

absl::StatusOr<v1::ForkVmResponse> ForkVm(Client& client, const v1::ForkVmRequest& request,
                                          CallOptions options) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncForkVm, request, options);
}

absl::StatusOr<v1::Snapshot> CreateSnapshot(Client& client,
                                            const v1::CreateSnapshotRequest& request,
                                            CallOptions options) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncCreateSnapshot, request, options);
}

absl::StatusOr<v1::ListSnapshotsResponse> ListSnapshots(Client& client,
                                                        const v1::ListSnapshotsRequest& request) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncListSnapshots, request, {});
}

absl::StatusOr<v1::Vm> RestoreSnapshot(Client& client, const v1::RestoreSnapshotRequest& request,
                                       CallOptions options) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncRestoreSnapshot, request, options);
}

absl::Status DeleteSnapshot(Client& client, const v1::DeleteSnapshotRequest& request) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncDeleteSnapshot, request, {}).status();
}

}  // namespace ember::cli
