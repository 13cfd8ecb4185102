#include "guest-agent/freezer.h"

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/mount_table.h"

namespace ember::agent {

absl::StatusOr<std::vector<std::string>> Freezer::OfSystem() {
  ASSIGN_OR_RETURN(const std::string mounts, ReadFile("/proc/self/mountinfo"));
  ASSIGN_OR_RETURN(const std::string types, ReadFile("/proc/filesystems"));
  std::vector<std::string> mount_points;
  for (MountEntry& disk : WritableDisks(ParseMountTable(mounts), ParseDiskTypes(types))) {
    mount_points.push_back(std::move(disk.mount_point));
  }
  return mount_points;
}

absl::StatusOr<std::unique_ptr<FrozenFilesystems>> Freezer::Turn::Freeze(
    absl::Duration limit) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> mount_points, freezer_.mount_points_());
  return FrozenFilesystems::Freeze(mount_points, limit);
}

absl::StatusOr<std::unique_ptr<Freezer::Turn>> Freezer::Take() {
  if (taken_.exchange(true)) {
    return ResourceExhausted("the file systems are frozen for another client just now");
  }
  return std::make_unique<Turn>(*this);
}

}  // namespace ember::agent
