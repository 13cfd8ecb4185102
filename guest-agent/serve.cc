#include "guest-agent/serve.h"

#include <signal.h>

#include <memory>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/agent.h"
#include "guest-agent/children.h"
#include "guest-agent/init_request.h"
#include "guest-agent/signals.h"
#include "guest-agent/spawner.h"
#include "guest-agent/vsock_socket.h"

namespace ember::agent {
namespace {

// Ends the agent: sessions get their hang-up, and the loop stops once all of them are gone. A
// second request does not wait.
class EndAgent : public Power {
 public:
  EndAgent(EventLoop& loop, Children& children) : loop_(loop), children_(children) {}

  void Serve(std::unique_ptr<Agent> agent) { agent_ = std::move(agent); }

  void Begin(PowerMode) override {
    if (std::exchange(begun_, true)) return;
    // Later: a session may have asked for it, whose reply is still on its way.
    loop_.Post([this] { End(); });
  }

  void OnSignal() {
    if (begun_) children_.KillHungUp();
    Begin(PowerMode::kPowerOff);
  }

 private:
  void End() {
    agent_.reset();
    children_.WhenIdle([this] { loop_.Stop(); });
  }

  EventLoop& loop_;
  Children& children_;
  std::unique_ptr<Agent> agent_;
  bool begun_ = false;
};

// One run of the agent as a plain process or beside another init.
absl::Status RunAgent(const Options& options, const Log& log) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Spawner> spawner, Spawner::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop, EventLoop::Create("emberd"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Children> children, Children::Create(*loop));
  EndAgent end(*loop, *children);
  ASSIGN_OR_RETURN(const auto signals,
                   Signals::Create(*loop, {SIGTERM, SIGINT}, [&end](int) { end.OnSignal(); }));
  std::unique_ptr<InitRequest> init;
  if (options.uds.empty() && RunsInGuest()) init = std::make_unique<InitRequest>(*loop, log);
  Power& power = init != nullptr ? static_cast<Power&>(*init) : end;
  const Context context{*loop, *children, *spawner, power, log};
  ASSIGN_OR_RETURN(auto agent, Agent::Create(context, options));
  end.Serve(std::move(agent));
  log.Info("serving", {{"version", EMBER_VERSION},
                       {"at", options.uds.empty() ? "vsock" : options.uds.native()}});
  loop->Run();
  return absl::OkStatus();
}

}  // namespace

int Serve(const Options& options) {
  const Log log = Log::ToStderr(options.log_level);
  const absl::Status status = RunAgent(options, log);
  if (status.ok()) return 0;
  if (options.uds.empty() && absl::IsAlreadyExists(status)) {
    log.Info("another agent serves already", {{"reason", std::string(Message(status))}});
    return 0;
  }
  log.Error("cannot serve", {{"reason", std::string(Message(status))}});
  return 1;
}

}  // namespace ember::agent
