#pragma once

#include "base/event_loop.h"
#include "base/log.h"
#include "guest-agent/children.h"
#include "guest-agent/power.h"
#include "guest-agent/serving.h"

namespace ember::agent {

// Syncs and unmounts what is mounted, then turns the machine off or restarts it. Only for process 1
// of a VM. Does not return.
[[noreturn]] void TurnOff(PowerMode mode);

// Shuts a guest down whose process 1 we are: ends the sessions, hangs up the detached processes,
// SIGTERM to every process, SIGKILL to what is left after kGrace, then TurnOff. Making one as
// another process is a broken invariant. Lives on the event loop.
class PowerOff : public Power {
 public:
  static constexpr absl::Duration kGrace = absl::Seconds(5);

  PowerOff(EventLoop& loop, Children& children, Serving& serving, Log log);
  void Begin(PowerMode mode) override;

 private:
  void EndProcesses(PowerMode mode);

  EventLoop& loop_;
  Children& children_;
  Serving& serving_;
  const Log log_;
  bool begun_ = false;
};

}  // namespace ember::agent
