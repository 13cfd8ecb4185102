#pragma once

#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/output_ring.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// A detached process between two runs of the agent: it goes on, and nobody looks after it.
struct SavedProcess {
  v1::Process about;
  OutputRing output;
  SpawnedProcess streams;  // our ends; none of one that has ended
};

}  // namespace ember::agent
