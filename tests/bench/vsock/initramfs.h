#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace ember::bench {

// A cpio archive ("newc", cpio(5)) of a guest that has only `init` and, in /modules with names that
// sort in load order, what AF_VSOCK on PCI needs of the kernel's modules below `modules`. NotFound
// when one of them is not there.
absl::StatusOr<std::string> MakeInitramfs(const std::filesystem::path& init,
                                          const std::filesystem::path& modules);

}  // namespace ember::bench
