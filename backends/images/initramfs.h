#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/images/kernel_modules.h"

// The ember initramfs: an uncompressed cpio archive in the "newc" format (Documentation/driver-api/
// early-userspace/buffer-format.rst of the kernel), which the kernel unpacks to a RAM filesystem
// before it starts /init from there. It holds
//   /init            emberd
//   /modules/*.ko    the modules that it loads
//   /modules/order   their file names, one a line, in load order
//   /dev/console     the node that /init has as its standard streams
//   /dev /proc /sys /run /newroot   empty, to mount on
// Not compressed, because unpacking under emulation costs more than reading.
namespace ember::images {

// The archive's bytes: the same for the same input, whoever makes it and when.
std::string BuildInitramfs(std::string_view init, const std::vector<KernelModule>& modules);

}  // namespace ember::images
