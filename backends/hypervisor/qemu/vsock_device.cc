#include "backends/hypervisor/qemu/vsock_device.h"

#include "backends/hypervisor/launch_checks.h"
#include "backends/hypervisor/process_log.h"
#include "backends/hypervisor/process_tags.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

// Numbers of the descriptors in the device process.
constexpr int kVhostFd = 3;
constexpr int kListenFd = 4;

absl::StatusOr<VsockDevice> Start(const std::filesystem::path& program, const MachineHandle& handle,
                                  const UniqueFd& listener) {
  const QemuFiles files(handle.dir);
  ASSIGN_OR_RETURN(auto channel, SocketPair());
  ASSIGN_OR_RETURN(const UniqueFd log, OpenProcessLog(files.device_log));
  SpawnOptions options;
  options.argv = {program.native(),
                  "--guest-cid",
                  fmt::to_string(handle.guest_cid),
                  "--vhost-fd",
                  fmt::to_string(kVhostFd),
                  "--listen-fd",
                  fmt::to_string(kListenFd),
                  "--forward-prefix",
                  handle.guest_socket_prefix.native(),
                  "--log-level",
                  "warn"};
  options.env = TaggedEnvironment(handle.installation_id, handle.machine_id);
  options.cwd = "/";
  options.stdout_fd = log.get();
  options.stderr_fd = log.get();
  options.pass_fds = {{channel.first.get(), kVhostFd}, {listener.get(), kListenFd}};
  options.session = SessionMode::kOwn;
  ASSIGN_OR_RETURN(Process process, Spawn(options));
  return VsockDevice{Newborn(std::move(process)), std::move(channel.second)};
}

}  // namespace

QemuFiles::QemuFiles(const std::filesystem::path& dir)
    : vsock_socket(dir / "v.sock"),
      qmp_socket(dir / "qmp.sock"),
      console_log(dir / "console.log"),
      qemu_log(dir / "qemu.log"),
      device_log(dir / "vsock-device.log") {}

absl::StatusOr<VsockDevice> StartVsockDevice(const std::filesystem::path& program,
                                             const MachineHandle& handle) {
  const QemuFiles files(handle.dir);
  ASSIGN_OR_RETURN(const UniqueFd listener, ListenUnix(files.vsock_socket, 0600));
  auto device = Start(program, handle, listener);
  if (!device.ok()) RemoveSockets({files.vsock_socket});
  return device;
}

}  // namespace ember::hypervisor
