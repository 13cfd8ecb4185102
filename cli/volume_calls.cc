#include "cli/volume_calls.h"

#include "cli/calls.h"
#include "ember/v1/storage_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::StorageService::Stub;

}  // namespace

absl::StatusOr<v1::Volume> CreateVolume(Client& client, const v1::CreateVolumeRequest& request) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncCreateVolume, request, {});
}

absl::StatusOr<v1::ListVolumesResponse> ListVolumes(Client& client) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncListVolumes, v1::ListVolumesRequest(), {});
}

absl::Status DeleteVolume(Client& client, const std::string& name) {
  v1::DeleteVolumeRequest request;
  request.set_name(name);
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncDeleteVolume, request, {}).status();
}

absl::StatusOr<v1::Vm> ResizeVmDisk(Client& client, const v1::ResizeVmDiskRequest& request) {
  const auto stub = v1::StorageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncResizeVmDisk, request, {});
}

}  // namespace ember::cli
