#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

// Data volumes: disks that no VM takes with it.
namespace ember::state {

// A volume in a VM. The first of a VM's is its second disk, and so on.
struct VolumeAttachment {
  std::string volume;
  std::string mount_path;  // absolute, in the guest; empty: it is left to the guest
  bool read_only = false;
  uint64_t size_bytes = 0;  // of the volume

  friend bool operator==(const VolumeAttachment&, const VolumeAttachment&) = default;
};

enum class VolumeState {
  kCreating,  // its file is being made, or the create of the VM that it was made for is under way
  kReady,
  kDeleting,  // its file goes
};
std::string_view VolumeStateName(VolumeState state);
std::optional<VolumeState> ParseVolumeState(std::string_view name);

struct DataVolume {
  std::string name;
  VolumeState state = VolumeState::kCreating;
  uint64_t size_bytes = 0;
  std::string filesystem;  // "ext4"; empty: a blank disk
  absl::Time created_at;   // microseconds, UTC
  std::string vm_id;       // that it is attached to; empty: to none
  std::string vm_name;

  friend bool operator==(const DataVolume&, const DataVolume&) = default;
};

// What a create hands to the store.
struct NewVolume {
  std::string name;
  uint64_t size_bytes = 0;
  std::string filesystem;

  friend bool operator==(const NewVolume&, const NewVolume&) = default;
};

// OK for 1 to 20 of a-z, 0-9 and '-', starting with a letter and not ending in '-': names become
// files and serial numbers of disks. Otherwise InvalidArgument (reason INVALID_NAME).
absl::Status ValidateVolumeName(std::string_view name);

}  // namespace ember::state
