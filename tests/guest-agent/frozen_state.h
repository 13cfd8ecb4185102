#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <filesystem>

#include "base/cancellation.h"
#include "base/unique_fd.h"

namespace ember::testing {

// Whether a file system stands still. Only for one that nobody else freezes or thaws.
inline bool IsFrozen(const std::filesystem::path& mount_point) {
  const UniqueFd folder(open(mount_point.c_str(), O_RDONLY | O_CLOEXEC));
  if (ioctl(folder.get(), FIFREEZE, 0) != 0) return errno == EBUSY;
  ioctl(folder.get(), FITHAW, 0);
  return false;
}

inline bool ThawsSoon(const std::filesystem::path& mount_point) {
  const Cancellation limit = Cancellation::After(absl::Seconds(30));
  while (IsFrozen(mount_point)) {
    if (!limit.Pause(absl::Milliseconds(2), "thaw").ok() || limit.done()) return false;
  }
  return true;
}

}  // namespace ember::testing
