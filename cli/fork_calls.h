#pragma once

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/storage_service.pb.h"

// Calls of StorageService about forks and snapshots; see Client.
namespace ember::cli {

absl::StatusOr<v1::ForkVmResponse> ForkVm(Client& client, const v1::ForkVmRequest& request,
                                          CallOptions options);
absl::StatusOr<v1::Snapshot> CreateSnapshot(Client& client,
                                            const v1::CreateSnapshotRequest& request,
                                            CallOptions options);
absl::StatusOr<v1::ListSnapshotsResponse> ListSnapshots(Client& client,
                                                        const v1::ListSnapshotsRequest& request);
absl::StatusOr<v1::Vm> RestoreSnapshot(Client& client, const v1::RestoreSnapshotRequest& request,
                                       CallOptions options);
absl::Status DeleteSnapshot(Client& client, const v1::DeleteSnapshotRequest& request);

}  // namespace ember::cli
