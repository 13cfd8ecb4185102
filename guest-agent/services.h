#pragma once

#include "guest-agent/context.h"

namespace ember::agent {

// What the connections share beside the loop, its children and the spawner. Lives on the loop, and
// outlives the agent.
struct Services {
  // All borrowed.
  Services(EventLoop& loop, Children& children, Spawner& spawner,
           Freezer::MountPoints to_freeze = Freezer::OfSystem)
      : loop(loop),
        children(children),
        spawner(spawner),
        processes(loop, children, spawner),
        freezer(std::move(to_freeze)),
        workers(loop, kMostJobs),
        jobs(workers),
        joints(loop),
        arrivals(loop) {}
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  Context With(Power& power, const Log& log, ClockOwner clock) {
    return {loop,   children, spawner, processes, workers, jobs,
            joints, arrivals, freezer, power,     log,     clock};
  }

  EventLoop& loop;
  Children& children;
  Spawner& spawner;
  ProcessTable processes;
  Freezer freezer;  // outlives the jobs of the workers
  Workers workers;
  Jobs jobs;
  Joints joints;
  Arrivals arrivals;
};

}  // namespace ember::agent
