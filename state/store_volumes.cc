// The store's calls about data volumes, and about the size of a VM's disk.
#include <algorithm>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/store.h"

namespace ember::state {

// Volumes that a create of a VM is to make are made with it; others must be there and ready.
absl::Status Store::AttachVolumes(std::string_view vm_id, const NewVm& vm) {
  for (const NewVolume& volume : vm.new_volumes) {
    RETURN_IF_ERROR(volumes_.Insert(volume).status());
  }
  for (const VolumeAttachment& attachment : vm.config.volumes) {
    ASSIGN_OR_RETURN(const DataVolume volume, volumes_.Get(attachment.volume));
    const bool made_now =
        std::any_of(vm.new_volumes.begin(), vm.new_volumes.end(),
                    [&volume](const NewVolume& made) { return made.name == volume.name; });
    if (!made_now && volume.state != VolumeState::kReady) return VolumeInUse(volume);
  }
  return volumes_.Attach(vm_id, vm.config.volumes);
}

absl::StatusOr<VmRecord> Store::FinishVolumesOf(std::string_view vm_id) {
  return Amend(vm_id, [this](const VmRecord& vm) -> absl::StatusOr<std::optional<Note>> {
    RETURN_IF_ERROR(volumes_.FinishOf(vm.id));
    return std::nullopt;
  });
}

absl::StatusOr<DataVolume> Store::BeginVolume(const NewVolume& wanted) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(DataVolume volume, volumes_.Insert(wanted));
  RETURN_IF_ERROR(write.Commit());
  return volume;
}

absl::StatusOr<DataVolume> Store::FinishVolume(std::string_view name) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  RETURN_IF_ERROR(volumes_.SetState(name, VolumeState::kReady));
  ASSIGN_OR_RETURN(DataVolume volume, volumes_.Get(name));
  RETURN_IF_ERROR(write.Commit());
  return volume;
}

absl::Status Store::BeginVolumeRemoval(std::string_view name) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  ASSIGN_OR_RETURN(const DataVolume volume, volumes_.Get(name));
  if (!volume.vm_id.empty()) return VolumeInUse(volume);
  RETURN_IF_ERROR(volumes_.SetState(name, VolumeState::kDeleting));
  return write.Commit();
}

absl::Status Store::RemoveVolume(std::string_view name) {
  ASSIGN_OR_RETURN(Write write, writer_.Begin());
  RETURN_IF_ERROR(volumes_.Delete(name));
  return write.Commit();
}

absl::StatusOr<VmRecord> Store::SetDiskSize(std::string_view vm_id, uint64_t bytes) {
  return Amend(vm_id, [this, bytes](const VmRecord& before) -> absl::StatusOr<std::optional<Note>> {
    if (before.config.disk_bytes == bytes) return std::nullopt;
    RETURN_IF_ERROR(vms_.SetDiskBytes(before.id, bytes));
    return Note{.kind = "disk-resized",
                .message = fmt::format("{} -> {}", FormatSize(before.config.disk_bytes),
                                       FormatSize(bytes))};
  });
}

}  // namespace ember::state
