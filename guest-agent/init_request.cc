#include "guest-agent/init_request.h"

#include <signal.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace ember::agent {
namespace {

int SignalFor(PowerMode mode) {
  const bool reboot = mode == PowerMode::kReboot;
  const std::string name = ReadFile("/proc/1/comm").value_or("");
  if (name == "systemd\n") return SIGRTMIN + (reboot ? 5 : 4);
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/1/exe", ignored);
  if (program.filename() == "busybox") return reboot ? SIGTERM : SIGUSR2;
  return SIGTERM;
}

}  // namespace

void InitRequest::Begin(PowerMode mode) {
  if (std::exchange(begun_, true)) return;
  const int signal = SignalFor(mode);
  log_.Info("asking init to shut down", {{"signal", std::to_string(signal)}});
  // Whether init understood shows in what it does: the timer stands behind it.
  kill(1, signal);
  loop_.RunAfter(kLimit, [this, mode] {
    log_.Warn("init has not shut down; doing it now");
    sync();
    reboot(mode == PowerMode::kReboot ? RB_AUTOBOOT : RB_POWER_OFF);
  });
}

}  // namespace ember::agent
