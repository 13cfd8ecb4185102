#pragma once

#include "absl/status/statusor.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// What to spawn for a request on the framed port: the user looked up in the guest's files, the
// environment laid over the defaults. NotFound for an unknown user or group, InvalidArgument for
// words that can't be passed to a program.
absl::StatusOr<ProcessSpec> SpecOf(const v1::ExecStart& start);

// 0 is the usual size.
TerminalSize SizeOf(uint32_t rows, uint32_t columns);

}  // namespace ember::agent
