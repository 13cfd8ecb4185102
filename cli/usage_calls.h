#pragma once

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/storage_service.pb.h"

// Calls of StorageService that are about what disks take; see Client.
namespace ember::cli {

absl::StatusOr<v1::StorageUsage> GetStorageUsage(Client& client, CallOptions options = {});
absl::StatusOr<v1::PruneStorageResponse> PruneStorage(Client& client,
                                                      const v1::PruneStorageRequest& request,
                                                      CallOptions options = {});

}  // namespace ember::cli
