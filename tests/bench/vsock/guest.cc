#include "tests/bench/vsock/guest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/bench/vsock/initramfs.h"
#include "tests/bench/vsock/ports.h"

namespace ember::bench {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kBootDeadline = absl::Seconds(60);
constexpr std::string_view kCommandLine =
    "console=ttyS0 quiet panic=-1 reboot=t cryptomgr.notests noreplace-smp nolapic_timer";

void EndProcess(std::optional<Process>& process) {
  if (!process.has_value()) return;
  // Killing one that has ended is fine, and there is nobody to tell of the rest.
  process->Signal(SIGKILL).IgnoreError();
  process->Wait(Cancellation::After(absl::Seconds(5))).status().IgnoreError();
}

}  // namespace

Guest::~Guest() {
  EndProcess(qemu_);
  EndProcess(device_);
}

absl::StatusOr<Guest> Guest::Start(const GuestFiles& files) {
  Guest guest;
  guest.directory_ = std::make_unique<testing::TempDir>();
  RETURN_IF_ERROR(guest.Boot(files));
  return guest;
}

absl::Status Guest::Boot(const GuestFiles& files) {
  fs::path initramfs = files.initramfs;
  if (initramfs.empty()) {
    ASSIGN_OR_RETURN(const std::string archive, MakeInitramfs(files.init, files.modules));
    initramfs = *directory_ / "initramfs";
    RETURN_IF_ERROR(WriteFileAtomically(initramfs, archive, 0600));
  }
  const fs::path ready_path = *directory_ / fmt::format("v_{}", kReadyPort);
  ASSIGN_OR_RETURN(const UniqueFd ready, ListenUnix(ready_path, 0600));
  RETURN_IF_ERROR(StartDevice(files));
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(StartQemu(files, initramfs));
  const Cancellation until = Cancellation::After(kBootDeadline);
  RETURN_IF_ERROR(until.WaitReadable(ready.get(), "guest"));
  boot_time_ = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  // All ports are there once the last one is.
  while (!Dial(kSinkPort).ok() || !Dial(kSourcePort).ok() || !Dial(kEchoPort).ok()) {
    RETURN_IF_ERROR(until.Pause(absl::Milliseconds(10), "guest's ports"));
  }
  return absl::OkStatus();
}

absl::Status Guest::StartDevice(const GuestFiles& files) {
  const std::string path = *directory_ / "v";
  SpawnOptions options;
  options.argv = {files.device,
                  "--guest-cid",
                  "3",
                  "--vhost-socket",
                  *directory_ / "vhost",
                  "--uds-path",
                  path,
                  "--forward-prefix",
                  path,
                  "--log-level",
                  "error"};
  options.stderr_fd = STDERR_FILENO;
  options.die_with_parent = true;
  ASSIGN_OR_RETURN(device_, Spawn(options));
  const Cancellation until = Cancellation::After(absl::Seconds(5));
  while (!fs::exists(*directory_ / "vhost")) {
    RETURN_IF_ERROR(until.Pause(absl::Milliseconds(5), "device's socket"));
  }
  return absl::OkStatus();
}

absl::Status Guest::StartQemu(const GuestFiles& files, const fs::path& initramfs) {
  const UniqueFd console(
      open((*directory_ / "console").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::string chardev = fmt::format("socket,id=c0,path={}", (*directory_ / "vhost").native());
  SpawnOptions options;
  options.argv = {files.qemu,
                  "-nodefaults",
                  "-no-user-config",
                  "-nographic",
                  "-no-reboot",
                  "-accel",
                  "tcg",
                  "-m",
                  "256",
                  "-smp",
                  "1",
                  "-object",
                  "memory-backend-memfd,id=mem,size=256M,share=on",
                  "-M",
                  "q35,memory-backend=mem",
                  "-bios",
                  files.firmware,
                  "-kernel",
                  files.kernel,
                  "-initrd",
                  initramfs,
                  "-append",
                  std::string(kCommandLine),
                  "-serial",
                  "stdio",
                  "-chardev",
                  chardev,
                  "-device",
                  "vhost-user-vsock-pci,chardev=c0"};
  options.stdout_fd = console.get();
  options.stderr_fd = STDERR_FILENO;
  options.die_with_parent = true;
  ASSIGN_OR_RETURN(qemu_, Spawn(options));
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Guest::Dial(uint32_t port) const {
  const Cancellation until = Cancellation::After(absl::Seconds(10));
  ASSIGN_OR_RETURN(UniqueFd socket, ConnectUnix(*directory_ / "v"));
  RETURN_IF_ERROR(WriteFully(socket.get(), fmt::format("CONNECT {}\n", port), until));
  char line[32];
  RETURN_IF_ERROR(ReadFully(socket.get(), line, 3, until));
  if (std::memcmp(line, "OK ", 3) != 0) return DataLoss("handshake: no OK");
  do {
    RETURN_IF_ERROR(ReadFully(socket.get(), line, 1, until));
  } while (line[0] != '\n');
  const int flags = fcntl(socket.get(), F_GETFL);
  fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  return socket;
}

absl::StatusOr<pid_t> Guest::Worker() const {
  ASSIGN_OR_RETURN(const std::string children,
                   ReadFile(fmt::format("/proc/{0}/task/{0}/children", keeper())));
  pid_t pid = 0;
  const auto [stop, error] =
      std::from_chars(children.data(), children.data() + children.size(), pid);
  if (error != std::errc()) return NotFound("the keeper {} has no worker", keeper());
  return pid;
}

}  // namespace ember::bench
