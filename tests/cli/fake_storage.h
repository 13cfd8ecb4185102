#pragma once

#include <grpcpp/grpcpp.h>

#include "ember/v1/storage_service.grpc.pb.h"

namespace ember::testing {

// Numbers of what disks take, of which some are not known, and one thing to prune. Thread-safe: it
// keeps nothing.
class FakeStorage final : public v1::StorageService::Service {
 public:
  using Context = grpc::ServerContext;
  grpc::Status GetStorageUsage(Context*, const v1::GetStorageUsageRequest*,
                               v1::StorageUsage*) override;
  grpc::Status PruneStorage(Context*, const v1::PruneStorageRequest*,
                            v1::PruneStorageResponse*) override;
};

}  // namespace ember::testing
