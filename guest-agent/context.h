#pragma once

#include "base/event_loop.h"
#include "base/log.h"
#include "base/workers.h"
#include "guest-agent/arrivals.h"
#include "guest-agent/children.h"
#include "guest-agent/freezer.h"
#include "guest-agent/guest_clock.h"
#include "guest-agent/jobs.h"
#include "guest-agent/joints.h"
#include "guest-agent/power.h"
#include "guest-agent/process_table.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// Jobs that block (files, checkpoints) at a time; more are refused.
inline constexpr size_t kMostJobs = 64;

// What every connection works with. Borrowed; all of it outlives the connections.
struct Context {
  EventLoop& loop;
  Children& children;
  Spawner& spawner;
  ProcessTable& processes;
  Workers& workers;
  Jobs& jobs;
  Joints& joints;
  Arrivals& arrivals;
  Freezer& freezer;
  Power& power;
  Log log;
  ClockOwner clock = ClockOwner::kHost;
};

}  // namespace ember::agent
