#include "guest-agent/boot/root_disk.h"

#include <unistd.h>

#include <string>
#include <system_error>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/boot/mount.h"
#include "guest-agent/device_events.h"
#include "guest-agent/filesystem_growth.h"

namespace ember::agent {
namespace {

// Nobody waits for it.
constexpr absl::Duration kGrowLimit = absl::Minutes(10);

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string DisksThatExist() {
  std::string disks;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/dev", ignored)) {
    if (!entry.is_block_file(ignored)) continue;
    disks += (disks.empty() ? "" : ", ") + entry.path().native();
  }
  return disks.empty() ? "no disk at all" : disks;
}

absl::Status WaitForDevice(const std::string& device, absl::Duration limit) {
  const auto there = [&device] { return Exists(device); };
  if (AwaitDevices(there, Cancellation::After(limit)).ok()) return absl::OkStatus();
  return NotFound("the root disk {} did not appear within {}s; there is {}", device,
                  absl::ToInt64Seconds(limit), DisksThatExist());
}

}  // namespace

absl::Status MountRootDisk(const BootOptions& options, const std::filesystem::path& target,
                           absl::Duration limit) {
  RETURN_IF_ERROR(WaitForDevice(options.root, limit));
  const MountOptions flags = ParseMountOptions(options.root_flags);
  const absl::Status mounted = Mount({.type = options.root_type,
                                      .target = target,
                                      .flags = flags.flags,
                                      .options = flags.rest,
                                      .source = options.root});
  return Annotate(mounted, fmt::format("root disk {}", options.root));
}

absl::Status GrowRoot() {
  const absl::Status grown = GrowFilesystem("/", 0, Cancellation::After(kGrowLimit)).status();
  // One that does not grow, or is read-only, stays as it is.
  return absl::IsFailedPrecondition(grown) ? absl::OkStatus() : grown;
}

}  // namespace ember::agent
