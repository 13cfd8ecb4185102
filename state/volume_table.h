#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/volume.h"

namespace ember::state {

// The tables volume and volume_attachment. Every function is a part of the caller's transaction.
// Lives where its database lives.
class VolumeTable {
 public:
  // Borrows `database`.
  explicit VolumeTable(Database& database) : database_(database) {}

  // Adds a volume in state creating, now. AlreadyExists (reason VOLUME_EXISTS).
  absl::StatusOr<DataVolume> Insert(const NewVolume& volume);
  // NotFound (reason VOLUME_NOT_FOUND).
  absl::StatusOr<DataVolume> Get(std::string_view name);
  // By name.
  absl::StatusOr<std::vector<DataVolume>> List();
  absl::Status SetState(std::string_view name, VolumeState state);
  // Those that were made for a VM, and are attached to it, are ready.
  absl::Status FinishOf(std::string_view vm_id);
  absl::Status Delete(std::string_view name);
  // Those in state creating that are attached to the VM, and the attachments of all.
  absl::Status DropOf(std::string_view vm_id);

  // Attaches volumes, which are there, to a VM that has none. FailedPrecondition (reason
  // VOLUME_IN_USE) for one that is attached to another VM, or deleted just now.
  absl::Status Attach(std::string_view vm_id, const std::vector<VolumeAttachment>& volumes);
  // Of a VM, in its order.
  absl::StatusOr<std::vector<VolumeAttachment>> AttachmentsOf(std::string_view vm_id);

 private:
  Database& database_;
};

// FailedPrecondition, reason VOLUME_IN_USE, with the VM's name and what to type.
absl::Status VolumeInUse(const DataVolume& volume);

}  // namespace ember::state
