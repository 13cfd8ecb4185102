#pragma once

#include "absl/status/status.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// An error as the protocol says it.
v1::Failure FailureOf(const absl::Status& status);

}  // namespace ember::agent
