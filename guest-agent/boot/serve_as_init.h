#pragma once

#include <functional>

#include "base/log.h"

namespace ember::agent {

// Runs the agent as process 1: reaps every orphan, answers init's usual signals, and never exits. A
// guest without AF_VSOCK is kept running, unreachable, and says so on the console. Calls `serving`
// once both services listen. SIGHUP restarts it in place (guest-agent/restart.h).
[[noreturn]] void ServeAsInit(const Log& log, const std::function<void()>& serving);

}  // namespace ember::agent
