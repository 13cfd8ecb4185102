#include "backends/images/disk_room.h"

#include <sys/statvfs.h>

#include "base/size.h"
#include "base/status.h"

namespace ember::images {

absl::Status CheckDiskRoom(const std::filesystem::path& dir, uint64_t bytes,
                           std::string_view what) {
  struct statvfs about {};
  if (statvfs(dir.c_str(), &about) != 0) return absl::OkStatus();
  const uint64_t free = static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
  if (bytes <= free) return absl::OkStatus();
  const auto mib = [](uint64_t size) { return (size + kMiB - 1) / kMiB; };
  return WithHint(WithReason(ResourceExhausted("{} needs about {}M of disk, and {} has {}M free",
                                               what, mib(bytes), dir.native(), free / kMiB),
                             "DISK_FULL"),
                  "make room, for example with 'ember image prune', or use another --state-dir");
}

}  // namespace ember::images
