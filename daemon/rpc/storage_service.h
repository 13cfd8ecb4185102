#pragma once

#include <grpcpp/grpcpp.h>

#include "daemon/catalog.h"
#include "daemon/host.h"
#include "ember/v1/storage_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.StorageService (proto/ember/v1/storage_service.proto): converts and posts, decides
// nothing. Thread-safe.
class StorageService : public v1::StorageService::CallbackService {
 public:
  // Borrowed; they outlive the server.
  StorageService(Host& host, Catalog& catalog) : host_(host), catalog_(catalog) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  // storage_service_volumes.cc
  Unary* ResizeVmDisk(Context*, const v1::ResizeVmDiskRequest*, v1::Vm*) override;
  Unary* CreateVolume(Context*, const v1::CreateVolumeRequest*, v1::Volume*) override;
  Unary* ListVolumes(Context*, const v1::ListVolumesRequest*, v1::ListVolumesResponse*) override;
  Unary* DeleteVolume(Context*, const v1::DeleteVolumeRequest*, v1::DeleteVolumeResponse*) override;

  // storage_service_forks.cc
  Unary* ForkVm(Context*, const v1::ForkVmRequest*, v1::ForkVmResponse*) override;
  Unary* CreateSnapshot(Context*, const v1::CreateSnapshotRequest*, v1::Snapshot*) override;
  Unary* ListSnapshots(Context*, const v1::ListSnapshotsRequest*,
                       v1::ListSnapshotsResponse*) override;
  Unary* RestoreSnapshot(Context*, const v1::RestoreSnapshotRequest*, v1::Vm*) override;
  Unary* DeleteSnapshot(Context*, const v1::DeleteSnapshotRequest*,
                        v1::DeleteSnapshotResponse*) override;

  // storage_service_usage.cc
  Unary* GetStorageUsage(Context*, const v1::GetStorageUsageRequest*, v1::StorageUsage*) override;
  Unary* PruneStorage(Context*, const v1::PruneStorageRequest*, v1::PruneStorageResponse*) override;

  Host& host_;
  Catalog& catalog_;
};

}  // namespace ember::daemon::rpc
