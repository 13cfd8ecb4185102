#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace ember::daemon {

// What is known of an agent's liveness. Not a lifecycle state: nothing is started or stopped
// because of it.
enum class AgentState {
  kNone,     // the VM does not run
  kWaiting,  // not heard from since the machine started
  kReady,
  kLost,  // was ready; several probes in a row went unanswered
};

std::string_view AgentStateName(AgentState state);

// Watches the agent of one running machine. A guest that has booted dials host port 1026
// (kReadyPort), so readiness is an event; a slow poll stands behind it for agents that could not.
// Afterwards a probe (Hello) goes out now and then; one unanswered probe changes nothing,
// kLostAfter in a row make the agent lost, one answer makes it ready again. Lives on `io`.
class AgentWatch {
 public:
  static constexpr int kLostAfter = 3;

  struct Periods {
    absl::Duration probe_limit = absl::Seconds(5);  // for one answer
    // How often a silent guest is asked whether it is up (its own call usually comes first), and a
    // ready one whether it still is.
    absl::Duration waiting = absl::Milliseconds(500);
    absl::Duration ready = absl::Seconds(10);
    absl::Duration doubt = absl::Seconds(1);  // between the probes that decide whether it is lost
  };

  // Called on `io` with every change.
  using Changed = std::function<void(AgentState)>;

  // Listens at `<prefix>_1026` when that is possible and starts probing. `machine` is shared with
  // the host. Any thread.
  static std::unique_ptr<AgentWatch> Start(EventLoop& io, const Log& log,
                                           std::filesystem::path prefix,
                                           std::shared_ptr<hypervisor::Machine> machine,
                                           Changed changed) {
    return Start(io, log, std::move(prefix), std::move(machine), std::move(changed), Periods());
  }
  static std::unique_ptr<AgentWatch> Start(EventLoop& io, const Log& log,
                                           std::filesystem::path prefix,
                                           std::shared_ptr<hypervisor::Machine> machine,
                                           Changed changed, Periods periods);
  AgentWatch(const AgentWatch&) = delete;
  AgentWatch& operator=(const AgentWatch&) = delete;
  // The vCPUs stand still: silence means nothing until Resume. Any thread.
  void Suspend();
  void Resume();
  // Ends the watch; `changed` is not called any more once `io` has run what is queued. Any thread.
  ~AgentWatch();

 private:
  class Core;
  explicit AgentWatch(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;  // also held by tasks on `io`
};

}  // namespace ember::daemon
