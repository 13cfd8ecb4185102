#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "base/subprocess.h"

namespace ember::bench {

// The options of a running QEMU that decide how it boots, by name: "-kernel", "-initrd", "-append",
// "-cpu", "-bios", "-m".
std::map<std::string, std::string> BootOptionsOf(const Process& qemu);

// What somebody would type without Ember: one vsock device and one QEMU with the same kernel,
// initramfs, disk and memory, and no control socket, sandbox or log. From the start of the first
// process to the guest's own call that its agent serves. Ends both processes.
absl::Duration TimeOfRawBoot(const std::map<std::string, std::string>& boot,
                             const std::filesystem::path& disk, const std::string& disk_format,
                             const std::filesystem::path& dir);

}  // namespace ember::bench
