#include "tests/bench/host/raw_qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "base/file.h"
#include "base/socket.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

Cancellation Limit() { return Cancellation::After(absl::Seconds(120)); }

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
                  const std::string& drive, const std::vector<std::string>& more) {
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
  options.argv.insert(options.argv.end(), more.begin(), more.end());
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

RawQemu::RawQemu(const std::map<std::string, std::string>& boot, const std::filesystem::path& disk,
                 const std::string& disk_format, std::filesystem::path dir,
                 const std::vector<std::string>& more)
    : dir_(std::move(dir)), ready_(ValueOf(ListenUnix(dir_ / "guest_1026", 0600))) {
  const std::string drive =
      fmt::format("file={},format={},if=none,id=d", disk.native(), disk_format);
  auto [device_end, qemu_end] = ValueOf(SocketPair());
  processes_.push_back(StartDevice(device_end.get(), dir_));
  processes_.push_back(StartQemu(qemu_end.get(), boot, drive, more));
}

RawQemu::~RawQemu() {
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    process->Signal(SIGKILL).IgnoreError();
    process->Wait(Limit()).status().IgnoreError();
  }
  unlink((dir_ / "guest_1026").c_str());
  unlink(vsock().c_str());
}

void RawQemu::AwaitReady() { REQUIRE_OK(Limit().WaitReadable(ready_.get(), "the guest's call")); }

}  // namespace ember::bench
