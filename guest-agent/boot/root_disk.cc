#include "guest-agent/boot/root_disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "guest-agent/boot/mount.h"

namespace ember::agent {
namespace {

// linux/ext4's own number; no header of the C library has it.
constexpr unsigned long kExt4ResizeFs = _IOW('f', 16, uint64_t);

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// The kernel's device events, readable from now on. devtmpfs has the node before the event is sent.
UniqueFd DeviceEvents() {
  UniqueFd events(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    events.Reset();
  }
  return events;
}

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
  if (Exists(device)) return absl::OkStatus();
  const UniqueFd events = DeviceEvents();
  const Deadline deadline = Deadline::After(limit);
  while (!Exists(device)) {
    if (deadline.expired()) {
      return NotFound("the root disk {} did not appear within {}s; there is {}", device,
                      absl::ToInt64Seconds(limit), DisksThatExist());
    }
    // Bounded turns: an event may be lost when too many come at once.
    pollfd wait{events.get(), POLLIN, 0};
    poll(&wait, 1, std::min(deadline.PollTimeoutMs(), 500));
    std::array<char, 8192> event;
    if (wait.revents != 0) recv(events.get(), event.data(), event.size(), MSG_DONTWAIT);
  }
  return absl::OkStatus();
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

absl::Status GrowRoot(const std::filesystem::path& device) {
  struct statfs root {};
  if (statfs("/", &root) != 0) return ErrnoStatus(errno, "/");
  if (root.f_type != EXT4_SUPER_MAGIC || (root.f_flags & ST_RDONLY) != 0) return absl::OkStatus();
  const UniqueFd disk(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  uint64_t bytes = 0;
  if (!disk.valid() || ioctl(disk.get(), BLKGETSIZE64, &bytes) != 0) {
    return ErrnoStatus(errno, device.native());
  }
  const UniqueFd folder(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The kernel does nothing when the size is the same.
  uint64_t blocks = bytes / static_cast<uint64_t>(root.f_bsize);
  if (ioctl(folder.get(), kExt4ResizeFs, &blocks) != 0) return ErrnoStatus(errno, "grow /");
  return absl::OkStatus();
}

}  // namespace ember::agent
