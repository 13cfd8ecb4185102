#include "tests/bench/host/raw_qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <vector>

#include "base/file.h"
#include "base/socket.h"
#include "tests/bench/host/samples.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

Process StartDevice(int vhost_fd, const std::filesystem::path& dir) {
  SpawnOptions options;
  options.argv = {std::string(EMBER_BIN_DIR) + "/ember-vsock-device",
                  "--guest-cid",
                  "77",
                  "--vhost-fd",
                  "3",
                  "--uds-path",
                  dir / "v.sock",
                  "--forward-prefix",
                  dir / "guest"};
  options.pass_fds = {{vhost_fd, 3}};
  return ValueOf(Spawn(options));
}

Process StartQemu(int vhost_fd, const std::map<std::string, std::string>& boot,
                  const std::string& drive) {
  const std::string memory = boot.at("-m");
  SpawnOptions options;
  options.argv = {"qemu-system-x86_64",
                  "-nodefaults",
                  "-no-user-config",
                  "-display",
                  "none",
                  "-no-reboot",
                  "-accel",
                  "tcg",
                  "-cpu",
                  boot.at("-cpu"),
                  "-m",
                  memory,
                  "-object",
                  "memory-backend-memfd,id=mem,size=" + memory + ",share=on",
                  "-M",
                  "q35,memory-backend=mem",
                  "-bios",
                  boot.at("-bios"),
                  "-kernel",
                  boot.at("-kernel"),
                  "-initrd",
                  boot.at("-initrd"),
                  "-append",
                  boot.at("-append"),
                  "-drive",
                  drive,
                  "-device",
                  "virtio-blk-pci,drive=d",
                  "-chardev",
                  "socket,id=c0,fd=3",
                  "-device",
                  "vhost-user-vsock-pci,chardev=c0",
                  "-serial",
                  "null"};
  options.pass_fds = {{vhost_fd, 3}};
  options.stderr_fd = STDERR_FILENO;
  return ValueOf(Spawn(options));
}

}  // namespace

std::map<std::string, std::string> BootOptionsOf(const Process& qemu) {
  const std::string words = ValueOf(ReadFile(fmt::format("/proc/{}/cmdline", qemu.identity().pid)));
  std::vector<std::string> argv;
  for (size_t start = 0; start < words.size(); start = words.find('\0', start) + 1)
    argv.emplace_back(words.c_str() + start);
  std::map<std::string, std::string> options;
  for (size_t i = 0; i + 1 < argv.size(); ++i) {
    for (const char* name : {"-kernel", "-initrd", "-append", "-cpu", "-bios", "-m"}) {
      if (argv[i] == name) options[name] = argv[i + 1];
    }
  }
  REQUIRE(options.size() == 6);
  return options;
}

absl::Duration TimeOfRawBoot(const std::map<std::string, std::string>& boot,
                             const std::filesystem::path& disk, const std::string& disk_format,
                             const std::filesystem::path& dir) {
  const std::filesystem::path ready = dir / "guest_1026";
  UniqueFd listener = ValueOf(ListenUnix(ready, 0600));
  const Cancellation limit = Cancellation::After(absl::Seconds(120));
  const std::string drive =
      fmt::format("file={},format={},if=none,id=d", disk.native(), disk_format);
  std::vector<Process> processes;
  const absl::Duration time = TimeOf([&] {
    auto [device_end, qemu_end] = ValueOf(SocketPair());
    processes.push_back(StartDevice(device_end.get(), dir));
    processes.push_back(StartQemu(qemu_end.get(), boot, drive));
    REQUIRE_OK(limit.WaitReadable(listener.get(), "the guest's call"));
  });
  for (auto process = processes.rbegin(); process != processes.rend(); ++process) {
    REQUIRE_OK(process->Signal(SIGKILL));
    REQUIRE_OK(process->Wait(limit));
  }
  unlink(ready.c_str());
  unlink((dir / "v.sock").c_str());
  return time;
}

}  // namespace ember::bench
