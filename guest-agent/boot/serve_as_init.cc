#include "guest-agent/boot/serve_as_init.h"

#include <signal.h>
#include <sys/reboot.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/agent.h"
#include "guest-agent/boot/power_off.h"
#include "guest-agent/children.h"
#include "guest-agent/restart.h"
#include "guest-agent/services.h"
#include "guest-agent/serving.h"
#include "guest-agent/signals.h"
#include "guest-agent/spawner.h"

namespace ember::agent {
namespace {

bool AsksForReboot(int signal) { return signal == SIGINT || signal == SIGRTMIN + 5; }

// One run. Fails only when process 1 can't do its duties at all; answers with the detached
// processes that the next run is to have.
absl::StatusOr<std::vector<SavedProcess>> Run(const Log& log, const std::function<void()>& ready,
                                              std::vector<SavedProcess> saved) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Spawner> spawner, Spawner::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop, EventLoop::Create("emberd"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Children> children, Children::Create(*loop));
  Services services(*loop, *children, *spawner);
  services.processes.TakeUp(std::move(saved), log);
  Serving serving(*loop, *children, services.processes);
  PowerOff power(*loop, *children, serving, log);
  ASSIGN_OR_RETURN(
      const auto signals,
      Signals::Create(
          *loop, {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGRTMIN + 4, SIGRTMIN + 5},
          [&power, &serving](int signal) {
            if (signal == SIGHUP) return serving.Restart();
            power.Begin(AsksForReboot(signal) ? PowerMode::kReboot : PowerMode::kPowerOff);
          }));
  // Ctrl-Alt-Del comes as SIGINT instead of as a reset.
  reboot(RB_DISABLE_CAD);
  auto agent = Agent::Create(services.With(power, log, ClockOwner::kAgent), {});
  if (agent.ok()) {
    serving.Serve(*std::move(agent));
    log.Info("serving", {{"version", EMBER_VERSION}, {"at", "vsock"}, {"as", "process 1"}});
    ready();
  } else {
    log.Error("cannot serve", {{"reason", std::string(Message(agent.status()))}});
  }
  loop->Run();
  auto released = serving.TakeReleased();
  if (!released.has_value()) return Internal("the loop has ended");
  return *std::move(released);
}

// Returns only when process 1 can't go on. A restart that fails goes on in this program.
absl::Status RunForEver(const Log& log, const std::function<void()>& serving) {
  std::vector<SavedProcess> processes = TakeRestartState(log);
  std::function<void()> ready = serving;
  while (true) {
    ASSIGN_OR_RETURN(processes, Run(log, ready, std::move(processes)));
    RestartInto(RestartPrograms(Where::kGuest), processes, log);
    ready = [] {};
  }
}

}  // namespace

void ServeAsInit(const Log& log, const std::function<void()>& serving) {
  const absl::Status status = RunForEver(log, serving);
  log.Error("process 1 cannot go on: powering off", {{"reason", std::string(Message(status))}});
  TurnOff(PowerMode::kPowerOff);
}

}  // namespace ember::agent
