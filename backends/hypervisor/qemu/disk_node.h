#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "backends/hypervisor/machine_spec.h"

namespace ember::hypervisor {

// QEMU's name of the node of the disk at `position`, which the machine starts with. Nodes that come
// over it later are called "<name>-1" and so on.
std::string DiskNodeName(size_t position);

// The name of the node below a disk's that stands for its file.
std::string FileNodeName(std::string_view disk_node);

// The options of a disk's node, for -blockdev and blockdev-add: JSON, because file names in -drive
// are searched for commas and protocol prefixes. A qcow2 file's backing chain is opened by QEMU
// from what the file itself names. What a guest discards (fstrim) is given back to the host; what
// it overwrites with zeros is not looked for: to punch holes takes four times as long as to write.
nlohmann::json DiskNode(const DiskSpec& disk, std::string_view name);

}  // namespace ember::hypervisor
