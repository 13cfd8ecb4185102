#pragma once

#include "base/event_loop.h"
#include "base/log.h"
#include "guest-agent/power.h"

namespace ember::agent {

// Shuts a guest down that has an init of its own: asks process 1 in the way that its kind
// understands (systemd: SIGRTMIN+4 or +5; busybox: SIGUSR2 or SIGTERM; else SIGTERM), and if that
// has not ended the guest after kLimit, tells the kernel. Only for a guest: make it where
// RunsInGuest() or as init's child. Lives on the event loop.
class InitRequest : public Power {
 public:
  static constexpr absl::Duration kLimit = absl::Seconds(30);

  InitRequest(EventLoop& loop, Log log) : loop_(loop), log_(std::move(log)) {}
  void Begin(PowerMode mode) override;

 private:
  EventLoop& loop_;
  const Log log_;
  bool begun_ = false;
};

}  // namespace ember::agent
