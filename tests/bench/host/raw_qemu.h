#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace ember::bench {

// The options of a running QEMU that decide how it boots, by name: "-kernel", "-initrd", "-append",
// "-cpu", "-bios", "-m".
std::map<std::string, std::string> BootOptionsOf(const Process& qemu);

// What somebody would type without Ember: one vsock device and one QEMU with the same kernel,
// initramfs, disk and memory, and no control socket, sandbox or log. Its end is this object's.
class RawQemu {
 public:
  // Starts both processes; their sockets lie in `dir`. `more` are words behind QEMU's own.
  RawQemu(const std::map<std::string, std::string>& boot, const std::filesystem::path& disk,
          const std::string& disk_format, std::filesystem::path dir,
          const std::vector<std::string>& more = {});
  ~RawQemu();
  RawQemu(const RawQemu&) = delete;
  RawQemu& operator=(const RawQemu&) = delete;

  // Waits for the guest's own call that its agent serves.
  void AwaitReady();
  // Where its ports are dialled, as in docs/vsock.md.
  std::filesystem::path vsock() const { return dir_ / "v.sock"; }

 private:
  const std::filesystem::path dir_;
  UniqueFd ready_;
  std::vector<Process> processes_;
};

}  // namespace ember::bench
