#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace ember::bench {

// Where things are.
struct GuestFiles {
  std::filesystem::path kernel;     // an uncompressed vmlinux with a PVH note
  std::filesystem::path modules;    // a directory with its modules
  std::filesystem::path initramfs;  // instead of modules and init
  std::filesystem::path init;       // bench_vsock_guest
  std::filesystem::path device;     // ember-vsock-device
  std::string qemu = "qemu-system-x86_64";
  std::string firmware = "/usr/share/qemu/qboot.rom";
};

// A QEMU guest with a device of its own, up and serving the bench's ports. Ends both when it is
// destroyed.
class Guest {
 public:
  static absl::StatusOr<Guest> Start(const GuestFiles& files);
  Guest(Guest&&) = default;
  ~Guest();

  // Connects to a port of the guest's: the handshake is done. Waits up to ten seconds.
  absl::StatusOr<UniqueFd> Dial(uint32_t port) const;

  // The process that moves the data now.
  absl::StatusOr<pid_t> Worker() const;
  pid_t keeper() const { return device_->identity().pid; }
  // From QEMU's start to the guest's first connection to the host.
  std::chrono::milliseconds boot_time() const { return boot_time_; }

 private:
  Guest() = default;
  absl::Status Boot(const GuestFiles& files);
  absl::Status StartDevice(const GuestFiles& files);
  absl::Status StartQemu(const GuestFiles& files, const std::filesystem::path& initramfs);

  std::unique_ptr<testing::TempDir> directory_;
  std::optional<Process> device_;
  std::optional<Process> qemu_;
  std::chrono::milliseconds boot_time_{};
};

}  // namespace ember::bench
