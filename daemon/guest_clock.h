#pragma once

#include "base/event_loop.h"
#include "base/log.h"
#include "daemon/agent_dial.h"

namespace ember::daemon {

// Tells a guest that stood still what time it is, and gives it fresh randomness, if its agent can
// take that (capability "care"). In the background; a failure is only logged. Any thread.
void SetGuestClock(EventLoop& io, const Log& log, ReachedVm vm);

}  // namespace ember::daemon
