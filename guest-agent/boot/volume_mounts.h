#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "base/log.h"
#include "guest-agent/boot/boot_options.h"

namespace ember::agent {

// The block device with this serial number, below `sysfs` ("/sys"): "vdb". Empty: there is none.
std::string DiskWithSerial(const std::filesystem::path& sysfs, std::string_view serial);

// Mounts the data volumes that `options` name, in that order, with the file system that each has.
// Waits for their devices within `cancellation`, which bounds all of them together. What can't be
// mounted is logged, and the boot goes on.
void MountVolumes(const BootOptions& options, const Cancellation& cancellation, const Log& log);

}  // namespace ember::agent
