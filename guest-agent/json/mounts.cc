#include "guest-agent/json/mounts.h"

#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/allowed_path.h"
#include "guest-agent/json/folder.h"
#include "guest-agent/mount_table.h"

namespace ember::agent {
namespace {

// Mounts can lie on each other without end; somebody may add to them while we look.
constexpr int kMostRounds = 100;

// By the directory above it, so that no link is followed on the way.
absl::Status Unmount(const std::string& mount_point) {
  const size_t slash = mount_point.rfind('/');
  ASSIGN_OR_RETURN(const UniqueFd parent, OpenFolder(mount_point.substr(0, slash)));
  const std::string by_folder =
      fmt::format("/proc/self/fd/{}/{}", parent.get(), mount_point.substr(slash + 1));
  if (umount2(by_folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, fmt::format("unmounting '{}'", mount_point));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status UnmountAtOrUnder(std::string_view path) {
  for (int round = 0; round < kMostRounds; ++round) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/mountinfo"));
    std::vector<std::string> points;
    for (MountEntry& mount : ParseMountTable(text)) {
      if (IsAtOrUnder(mount.mount_point, path)) points.push_back(std::move(mount.mount_point));
    }
    if (points.empty()) return absl::OkStatus();
    std::sort(points.begin(), points.end(), [](const std::string& one, const std::string& other) {
      return one.size() != other.size() ? one.size() > other.size() : one < other;
    });
    // One that lies on another at the same path is the next round's.
    points.erase(std::unique(points.begin(), points.end()), points.end());
    for (const std::string& point : points) RETURN_IF_ERROR(Unmount(point));
  }
  return Aborted("'{}': something is mounted there all the time", path);
}

}  // namespace ember::agent
