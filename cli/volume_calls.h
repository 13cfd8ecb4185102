#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client.h"
#include "ember/v1/storage_service.pb.h"

// Calls of StorageService about volumes and the size of disks; see Client.
namespace ember::cli {

absl::StatusOr<v1::Volume> CreateVolume(Client& client, const v1::CreateVolumeRequest& request);
absl::StatusOr<v1::ListVolumesResponse> ListVolumes(Client& client);
absl::Status DeleteVolume(Client& client, const std::string& name);
absl::StatusOr<v1::Vm> ResizeVmDisk(Client& client, const v1::ResizeVmDiskRequest& request);

}  // namespace ember::cli
