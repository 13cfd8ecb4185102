// Data volumes, and the size of disks.
#include <utility>
#include <vector>

#include "daemon/rpc/convert.h"
#include "daemon/rpc/storage_service.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

v1::Volume ToProto(const state::DataVolume& volume, const std::filesystem::path& path) {
  v1::Volume proto;
  proto.set_name(volume.name);
  proto.set_size_bytes(volume.size_bytes);
  proto.set_filesystem(volume.filesystem);
  proto.set_path(path.native());
  const int64_t micros = absl::ToUnixMicros(volume.created_at);
  proto.mutable_created_at()->set_seconds(micros / 1'000'000);
  proto.mutable_created_at()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  proto.set_attached_to(volume.vm_name);
  return proto;
}

}  // namespace

StorageService::Unary* StorageService::ResizeVmDisk(Context* context,
                                                    const v1::ResizeVmDiskRequest* request,
                                                    v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.ResizeVmDisk(
      request->name(), request->disk_bytes(),
      call->Answer<VmView>([response](const VmView& vm) { *response = rpc::ToProto(vm); }));
  return call;
}

StorageService::Unary* StorageService::CreateVolume(Context* context,
                                                    const v1::CreateVolumeRequest* request,
                                                    v1::Volume* response) {
  auto* call = new UnaryCall(*context);
  host_.CreateVolume(
      {request->name(), request->size_bytes(), request->filesystem()},
      call->Answer<state::DataVolume>([this, response](const state::DataVolume& volume) {
        *response = ToProto(volume, host_.PathOfVolume(volume.name));
      }));
  return call;
}

StorageService::Unary* StorageService::ListVolumes(Context* context, const v1::ListVolumesRequest*,
                                                   v1::ListVolumesResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.ListVolumes(call->Answer<std::vector<state::DataVolume>>(
      [this, response](const std::vector<state::DataVolume>& volumes) {
        for (const state::DataVolume& volume : volumes) {
          *response->add_volumes() = ToProto(volume, host_.PathOfVolume(volume.name));
        }
      }));
  return call;
}

StorageService::Unary* StorageService::DeleteVolume(Context* context,
                                                    const v1::DeleteVolumeRequest* request,
                                                    v1::DeleteVolumeResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteVolume(request->name(), call->Answer<Done>([](Done) {}));
  return call;
}

}  // namespace ember::daemon::rpc
