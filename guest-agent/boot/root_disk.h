#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "guest-agent/boot/boot_options.h"

namespace ember::agent {

// Mounts the root disk that `options` name at `target`. Waits for the device to appear, for `limit`
// at most, woken by the kernel's events. The error says what is missing and what there is instead.
absl::Status MountRootDisk(const BootOptions& options, const std::filesystem::path& target,
                           absl::Duration limit);

// Makes the mounted root as large as its device, as far as its filesystem can (ext4). OK when there
// is nothing to do.
absl::Status GrowRoot();

}  // namespace ember::agent
