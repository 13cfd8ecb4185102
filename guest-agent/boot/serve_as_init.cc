#include "guest-agent/boot/serve_as_init.h"

#include <signal.h>
#include <sys/reboot.h>

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/agent.h"
#include "guest-agent/boot/power_off.h"
#include "guest-agent/children.h"
#include "guest-agent/signals.h"
#include "guest-agent/spawner.h"

namespace ember::agent {
namespace {

bool AsksForReboot(int signal) { return signal == SIGINT || signal == SIGRTMIN + 5; }

// Returns only when process 1 can't do its duties at all.
absl::Status Run(const Log& log, const std::function<void()>& serving) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Spawner> spawner, Spawner::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop, EventLoop::Create("emberd"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Children> children, Children::Create(*loop));
  PowerOff power(*loop, *children, log);
  ASSIGN_OR_RETURN(
      const auto signals,
      Signals::Create(*loop, {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGRTMIN + 4, SIGRTMIN + 5},
                      [&power](int signal) {
                        power.Begin(AsksForReboot(signal) ? PowerMode::kReboot
                                                          : PowerMode::kPowerOff);
                      }));
  // Ctrl-Alt-Del comes as SIGINT instead of as a reset.
  reboot(RB_DISABLE_CAD);
  auto agent = Agent::Create({*loop, *children, *spawner, power, log}, {});
  if (agent.ok()) {
    power.Serve(*std::move(agent));
    log.Info("serving", {{"version", EMBER_VERSION}, {"at", "vsock"}, {"as", "process 1"}});
    serving();
  } else {
    log.Error("cannot serve", {{"reason", std::string(Message(agent.status()))}});
  }
  loop->Run();
  return absl::OkStatus();
}

}  // namespace

void ServeAsInit(const Log& log, const std::function<void()>& serving) {
  const absl::Status status = Run(log, serving);
  log.Error("process 1 cannot go on: powering off", {{"reason", std::string(Message(status))}});
  TurnOff(PowerMode::kPowerOff);
}

}  // namespace ember::agent
