#pragma once

#include "base/event_loop.h"
#include "base/log.h"
#include "guest-agent/children.h"
#include "guest-agent/power.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// What every connection works with. Borrowed; all of it outlives the connections.
struct Context {
  EventLoop& loop;
  Children& children;
  Spawner& spawner;
  Power& power;
  Log log;
};

}  // namespace ember::agent
