#include "guest-agent/boot/power_off.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"

namespace ember::agent {
namespace {

// The last mounted first. What is still busy is read-only at least, like the root.
void UnmountAll() {
  std::istringstream lines(ReadFile("/proc/self/mounts").value_or(""));
  std::vector<std::string> targets;
  for (std::string source, target, rest; lines >> source >> target && std::getline(lines, rest);) {
    if (target != "/" && target != "/proc" && target != "/dev") targets.push_back(target);
  }
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    if (umount2(target->c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    mount(nullptr, target->c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
  }
  mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

}  // namespace

void TurnOff(PowerMode mode) {
  EMBER_CHECK(getpid() == 1);
  sync();
  UnmountAll();
  reboot(mode == PowerMode::kReboot ? RB_AUTOBOOT : RB_POWER_OFF);
  // A machine that can't be turned off stands still; the host ends it.
  while (true) pause();
}

PowerOff::PowerOff(EventLoop& loop, Children& children, Serving& serving, Log log)
    : loop_(loop), children_(children), serving_(serving), log_(std::move(log)) {
  EMBER_CHECK(getpid() == 1);
}

void PowerOff::Begin(PowerMode mode) {
  if (std::exchange(begun_, true)) return;
  log_.Info(mode == PowerMode::kReboot ? "restarting" : "powering off");
  // Later: a session may have asked for it, whose reply is still on its way.
  loop_.Post([this, mode] { EndProcesses(mode); });
}

void PowerOff::EndProcesses(PowerMode mode) {
  serving_.End();
  kill(-1, SIGTERM);
  kill(-1, SIGCONT);
  loop_.RunAfter(kGrace, [] { kill(-1, SIGKILL); });
  // Every process descends from process 1: without a child there is none left. The second timer
  // stands behind a process that even SIGKILL does not end.
  loop_.RunAfter(kGrace + absl::Seconds(1), [mode] { TurnOff(mode); });
  children_.WhenChildless([mode] { TurnOff(mode); });
}

}  // namespace ember::agent
