#include "guest-agent/filesystem_growth.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "guest-agent/device_events.h"
#include "guest-agent/proc_text.h"

namespace ember::agent {
namespace {

// linux/ext4's own number; no header of the C library has it.
constexpr unsigned long kExt4ResizeFs = _IOW('f', 16, uint64_t);

constexpr uint64_t kSector = 512;

absl::StatusOr<uint64_t> DiskBytes(dev_t device) {
  ASSIGN_OR_RETURN(const std::string sectors, ReadFile(fmt::format("/sys/dev/block/{}:{}/size",
                                                                   major(device), minor(device))));
  return NumberOf(sectors) * kSector;
}

absl::Status AwaitSize(dev_t device, uint64_t wanted, const Cancellation& cancellation) {
  const auto large_enough = [device, wanted] { return DiskBytes(device).value_or(0) >= wanted; };
  absl::Status grown = AwaitDevices(large_enough, cancellation);
  if (!absl::IsDeadlineExceeded(grown)) return grown;
  return DeadlineExceeded("the disk still has {} bytes, not {}", DiskBytes(device).value_or(0),
                          wanted);
}

// One at a time grows a file system: the boot may be at it. Of its end nobody tells.
absl::Status Resize(int folder, uint64_t blocks, const std::string& mount_point,
                    const Cancellation& cancellation) {
  constexpr absl::Duration kPause = absl::Milliseconds(20);
  // The kernel does nothing when the size is the same.
  while (ioctl(folder, kExt4ResizeFs, &blocks) != 0) {
    const int error = errno;
    absl::Status failed = ErrnoStatus(error, fmt::format("grow {}", mount_point));
    if (error != EBUSY || cancellation.done()) return failed;
    RETURN_IF_ERROR(cancellation.Pause(kPause, Message(failed)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> GrowFilesystem(const std::string& mount_point, uint64_t disk_bytes,
                                        const Cancellation& cancellation) {
  const UniqueFd folder(open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  struct statfs filesystem {};
  if (!folder.valid() || fstat(folder.get(), &status) != 0 ||
      fstatfs(folder.get(), &filesystem) != 0) {
    return ErrnoStatus(errno, mount_point);
  }
  if (filesystem.f_type != EXT4_SUPER_MAGIC) {
    return FailedPrecondition("{} is not ext4: it can't be grown from here", mount_point);
  }
  if ((filesystem.f_flags & ST_RDONLY) != 0) {
    return FailedPrecondition("{} is mounted read-only", mount_point);
  }
  if (disk_bytes != 0) RETURN_IF_ERROR(AwaitSize(status.st_dev, disk_bytes, cancellation));
  ASSIGN_OR_RETURN(const uint64_t bytes, DiskBytes(status.st_dev));
  const auto block_size = static_cast<uint64_t>(filesystem.f_bsize);
  const uint64_t blocks = bytes / block_size;
  RETURN_IF_ERROR(Resize(folder.get(), blocks, mount_point, cancellation));
  return blocks * block_size;
}

}  // namespace ember::agent
