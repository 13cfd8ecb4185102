#include "guest-agent/serve.h"

#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/agent.h"
#include "guest-agent/children.h"
#include "guest-agent/init_request.h"
#include "guest-agent/process_table.h"
#include "guest-agent/restart.h"
#include "guest-agent/services.h"
#include "guest-agent/serving.h"
#include "guest-agent/signals.h"
#include "guest-agent/spawner.h"
#include "guest-agent/vsock_socket.h"

namespace ember::agent {
namespace {

// Ends the agent: sessions and detached processes get their hang-up, and the loop stops once all
// of them are gone. A second request does not wait.
class EndAgent : public Power {
 public:
  EndAgent(EventLoop& loop, Children& children, Serving& serving)
      : loop_(loop), children_(children), serving_(serving) {}

  void Begin(PowerMode) override {
    if (std::exchange(begun_, true)) return;
    // Later: a session may have asked for it, whose reply is still on its way.
    loop_.Post([this] {
      serving_.End();
      children_.WhenIdle([this] { loop_.Stop(); });
    });
  }

  void OnSignal(int signal) {
    if (signal == SIGHUP) return serving_.Restart();
    if (begun_) children_.KillHungUp();
    Begin(PowerMode::kPowerOff);
  }

 private:
  EventLoop& loop_;
  Children& children_;
  Serving& serving_;
  bool begun_ = false;
};

bool InGuest(const Options& options) { return options.uds.empty() && RunsInGuest(); }

// One run of the agent as a plain process or beside another init, with the detached processes of
// the run before. Answers with those that the next run is to have, or nothing at its end.
absl::StatusOr<std::optional<std::vector<SavedProcess>>> RunAgent(const Options& options,
                                                                  const Log& log,
                                                                  std::vector<SavedProcess> saved) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Spawner> spawner, Spawner::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop, EventLoop::Create("emberd"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Children> children, Children::Create(*loop));
  Services services(*loop, *children, *spawner);
  services.processes.TakeUp(std::move(saved), log);
  Serving serving(*loop, *children, services.processes);
  EndAgent end(*loop, *children, serving);
  ASSIGN_OR_RETURN(const auto signals,
                   Signals::Create(*loop, {SIGTERM, SIGINT, SIGHUP},
                                   [&end](int signal) { end.OnSignal(signal); }));
  std::unique_ptr<InitRequest> init;
  if (InGuest(options)) init = std::make_unique<InitRequest>(*loop, log);
  Power& power = init != nullptr ? static_cast<Power&>(*init) : end;
  const ClockOwner clock = init != nullptr ? ClockOwner::kAgent : ClockOwner::kHost;
  const Context context = services.With(power, log, clock);
  ASSIGN_OR_RETURN(auto agent, Agent::Create(context, options));
  serving.Serve(std::move(agent));
  log.Info("serving", {{"version", EMBER_VERSION},
                       {"at", options.uds.empty() ? "vsock" : options.uds.native()}});
  loop->Run();
  return serving.TakeReleased();
}

// Runs until the end, or until it cannot serve. A restart that fails goes on in this program.
absl::Status RunToEnd(const Options& options, const Log& log) {
  std::vector<SavedProcess> processes = TakeRestartState(log);
  while (true) {
    ASSIGN_OR_RETURN(auto released, RunAgent(options, log, std::move(processes)));
    if (!released.has_value()) return absl::OkStatus();
    processes = *std::move(released);
    RestartInto(RestartPrograms(InGuest(options) ? Where::kGuest : Where::kElsewhere), processes,
                log);
  }
}

}  // namespace

int Serve(const Options& options) {
  const Log log = Log::ToStderr(options.log_level);
  const absl::Status status = RunToEnd(options, log);
  if (status.ok()) return 0;
  if (options.uds.empty() && absl::IsAlreadyExists(status)) {
    log.Info("another agent serves already", {{"reason", std::string(Message(status))}});
    return 0;
  }
  log.Error("cannot serve", {{"reason", std::string(Message(status))}});
  return 1;
}

}  // namespace ember::agent
