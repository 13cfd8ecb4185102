#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "guest-agent/agent.h"
#include "guest-agent/children.h"
#include "guest-agent/process_table.h"

namespace ember::agent {

// One run of the agent: what serves, until it is ended for good or for a restart in place. Lives on
// the event loop.
class Serving {
 public:
  // All borrowed.
  Serving(EventLoop& loop, Children& children, ProcessTable& processes)
      : loop_(loop), children_(children), processes_(processes) {}

  void Serve(std::unique_ptr<Agent> agent) { agent_ = std::move(agent); }

  // Stops serving and hangs up every session and every detached process. Not from within a session.
  void End();

  // Stops serving and hangs up the sessions; once what they ran is gone, which takes
  // Children::kHangUpGrace at most, gives the detached processes up and stops the loop. End goes
  // before it. Not from within a session.
  void Restart();

  // What Restart gave up; nothing where the loop was stopped for another reason.
  std::optional<std::vector<SavedProcess>> TakeReleased() {
    return std::exchange(released_, std::nullopt);
  }

 private:
  EventLoop& loop_;
  Children& children_;
  ProcessTable& processes_;
  std::unique_ptr<Agent> agent_;
  bool ended_ = false;
  std::optional<std::vector<SavedProcess>> released_;
};

}  // namespace ember::agent
