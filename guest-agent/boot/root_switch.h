#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace ember::agent {

// Makes the filesystem mounted at `new_root` the root of this process and of all that it starts:
// moves /dev and /proc there, frees the memory of the initramfs by removing its files, moves the
// mount over "/". Only for process 1 in an initramfs.
absl::Status SwitchRoot(const std::filesystem::path& new_root);

// Whether "/" is the memory filesystem that the kernel unpacks an initramfs into.
bool RootIsInitramfs();

}  // namespace ember::agent
