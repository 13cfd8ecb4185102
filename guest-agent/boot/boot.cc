#include "guest-agent/boot/boot.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "guest-agent/boot/boot_options.h"
#include "guest-agent/boot/identity.h"
#include "guest-agent/boot/image_init.h"
#include "guest-agent/boot/kernel_modules.h"
#include "guest-agent/boot/mount.h"
#include "guest-agent/boot/power_off.h"
#include "guest-agent/boot/root_disk.h"
#include "guest-agent/boot/root_files.h"
#include "guest-agent/boot/root_switch.h"
#include "guest-agent/boot/serve_as_init.h"
#include "guest-agent/boot/volume_mounts.h"
#include "guest-agent/environment.h"
#include "guest-agent/guest_identity.h"
#include "guest-agent/restart.h"

namespace ember::agent {
namespace {

constexpr char kNewRoot[] = "/newroot";
constexpr absl::Duration kDiskLimit = absl::Seconds(10);

// How far the boot is, in the kernel's time: to find where it goes.
void Mark(const Log& log, std::string_view step) {
  log.Debug(step, {{"uptime", fmt::format("{:.3f}", UptimeSeconds())}});
}

// The kernel opens the console only where the initramfs has a node for it.
void OpenConsole() {
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) return;
  const int fd = open("/dev/console", O_RDWR | O_NOCTTY);
  for (int standard = 0; fd >= 0 && standard < 3; ++standard) {
    if (fd != standard) dup2(fd, standard);
  }
}

void LogFailure(const Log& log, const absl::Status& status) {
  if (!status.ok()) log.Warn("boot", {{"reason", std::string(Message(status))}});
}

absl::Status BringUpLoopback() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "lo");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "lo");
}

void SetHostname(const std::string& wanted, const Log& log) {
  std::string name = wanted;
  if (name.empty()) name = ReadFile("/etc/hostname").value_or("");
  name = name.substr(0, name.find('\n'));
  if (name.empty()) return;
  if (sethostname(name.data(), name.size()) != 0) LogFailure(log, ErrnoStatus(errno, "hostname"));
}

absl::Status CopyAgent() {
  const UniqueFd from(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (mkdir("/run/ember", 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, "/run/ember");
  const UniqueFd to(open(kInstalledAgent, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
  if (!from.valid() || !to.valid()) return ErrnoStatus(errno, kInstalledAgent);
  ssize_t copied = 0;
  while ((copied = sendfile(to.get(), from.get(), nullptr, 1 << 20)) > 0) {
  }
  return copied == 0 ? absl::OkStatus() : ErrnoStatus(errno, kInstalledAgent);
}

// Whatever an image expects to find mounted, and what is not mounted yet.
void MountSystem(const Log& log) {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const MountSpec specs[] = {
      {.type = "devtmpfs", .target = "/dev", .flags = MS_NOSUID, .options = "mode=0755"},
      {.type = "proc", .target = "/proc", .flags = kPlain},
      {.type = "sysfs", .target = "/sys", .flags = kPlain},
      {.type = "tmpfs", .target = "/run", .flags = MS_NOSUID | MS_NODEV, .options = "mode=0755"},
      {.type = "devpts",
       .target = "/dev/pts",
       .flags = MS_NOSUID | MS_NOEXEC,
       .options = "gid=5,mode=0620,ptmxmode=0666"},
      {.type = "tmpfs",
       .target = "/dev/shm",
       .flags = MS_NOSUID | MS_NODEV,
       .options = "mode=1777"},
  };
  for (const MountSpec& spec : specs) {
    if (!IsMountPoint(spec.target)) LogFailure(log, Mount(spec));
  }
}

// An image's /tmp is on its disk; a tmpfs stands in where there is none or it can't be written.
void ProvideTmp(const Log& log) {
  if (mkdir("/tmp", 01777) == 0) chmod("/tmp", 01777);
  if (access("/tmp", W_OK) == 0) return;
  LogFailure(log, Mount({.type = "tmpfs",
                         .target = "/tmp",
                         .flags = MS_NOSUID | MS_NODEV,
                         .options = "mode=1777"}));
}

// What nobody waits for, in a process of its own: the caller is free at once, and whoever is
// process 1 reaps it. It keeps none of our sockets: an agent that restarts listens on them anew.
template <typename Work>
void InBackground(Work work) {
  if (fork() != 0) return;
  syscall(SYS_close_range, STDERR_FILENO + 1U, ~0U, 0U);
  setpriority(PRIO_PROCESS, 0, 10);
  work();
  _exit(0);
}

// Makes the host keys that were removed. Whoever serves ssh finds the quick ones when it starts.
void MakeHostKeys(const std::vector<std::vector<std::string>>& commands) {
  setenv("PATH", std::string(kDefaultPath).c_str(), 1);
  for (const std::vector<std::string>& command : commands) {
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> argv;
      for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

// Before anything of the image runs that could use what it must not share with another VM.
void RenewRootIdentity(const BootOptions& options, const Log& log) {
  const auto root = RootFiles::Open("/");
  if (!root.ok()) return LogFailure(log, root.status());
  const auto identity = RenewIdentity(*root, options.instance, options.hostname);
  if (!identity.ok()) return LogFailure(log, Annotate(identity.status(), "identity"));
  if (!identity->renewed) return;
  // Keys take seconds where the CPU is emulated.
  InBackground([&] {
    MakeHostKeys(identity->key_commands);
    const auto root = RootFiles::Open("/");
    LogFailure(log, root.ok() ? RecordIdentity(*root, options.instance) : root.status());
  });
}

// The parent goes on as the image's init.
void StartAgent(const BootOptions& options) {
  if (fork() != 0) return;
  setsid();
  const std::string level = fmt::format("--log-level={}", LogLevelName(options.log_level));
  const std::string path = fmt::format("PATH={}", kDefaultPath);
  const char* const argv[] = {kInstalledAgent, level.c_str(), nullptr};
  const char* const env[] = {path.c_str(), "HOME=/root", "USER=root", "SHELL=/bin/sh", nullptr};
  execve(kInstalledAgent, const_cast<char**>(argv), const_cast<char**>(env));
  _exit(127);
}

// Returns only if it can't be executed.
void BecomeImageInit(const std::string& init, char** argv, const Log& log) {
  argv[0] = const_cast<char*>(init.c_str());
  execv(init.c_str(), argv);
  log.Error("cannot execute the image's init", {{"init", init}, {"reason", std::strerror(errno)}});
}

absl::Status ReachRoot(const BootOptions& options, const Log& log) {
  LoadKernelModules("/modules", log);
  Mark(log, "modules loaded");
  RETURN_IF_ERROR(MountRootDisk(options, kNewRoot, kDiskLimit));
  Mark(log, "root mounted");
  return SwitchRoot(kNewRoot);
}

// What we were before has booted the guest; it goes on.
[[noreturn]] void ResumeGuest() {
  const BootOptions options = ParseKernelCommandLine(ReadFile("/proc/cmdline").value_or(""));
  ServeAsInit(Log::ToStderr(options.log_level), [] {});
}

}  // namespace

void BootGuest(char** argv) {
  if (IsRestart()) ResumeGuest();
  const bool in_initramfs = RootIsInitramfs();
  if (in_initramfs) {
    // All that follows needs both. Without a console there is nobody yet to tell of a failure.
    Mount({.type = "devtmpfs", .target = "/dev", .flags = MS_NOSUID}).IgnoreError();
    Mount({.type = "proc", .target = "/proc"}).IgnoreError();
  }
  OpenConsole();
  umask(022);
  if (!in_initramfs) MountSystem(Log::ToStderr(LogLevel::kWarn));
  const BootOptions options = ParseKernelCommandLine(ReadFile("/proc/cmdline").value_or(""));
  const Log log = Log::ToStderr(options.log_level);
  Mark(log, "init");
  if (in_initramfs) {
    if (const absl::Status status = ReachRoot(options, log); !status.ok()) {
      log.Error("this VM has no root: powering off", {{"reason", std::string(Message(status))}});
      TurnOff(PowerMode::kPowerOff);
    }
    Mark(log, "root switched");
    MountSystem(log);
    RenewRootIdentity(options, log);
    MountVolumes(options, Cancellation::After(kDiskLimit), log);
  }
  LogFailure(log, BringUpLoopback());
  SetHostname(options.hostname, log);

  // Outside an initramfs we are the image's init: to look for another would find us again.
  std::optional<std::string> init;
  if (in_initramfs && options.choice == InitChoice::kAuto) init = FindImageInit(options.init);
  if (init.has_value()) {
    LogFailure(log, CopyAgent());
    StartAgent(options);
    InBackground([&log] { LogFailure(log, GrowRoot()); });
    Mark(log, "starting the image's init");
    BecomeImageInit(*init, argv, log);
  }
  ProvideTmp(log);
  Mark(log, "system mounted");
  setenv("PATH", std::string(kDefaultPath).c_str(), 1);
  setenv("HOME", "/root", 1);
  ServeAsInit(log, [&log] {
    Mark(log, "serving");
    InBackground([&log] {
      LogFailure(log, Mount({.type = "cgroup2",
                             .target = "/sys/fs/cgroup",
                             .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC}));
      LogFailure(log, CopyAgent());
      LogFailure(log, GrowRoot());
    });
  });
}

}  // namespace ember::agent
