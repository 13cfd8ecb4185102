#pragma once

#include "absl/status/statusor.h"
#include "base/subprocess.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/spawner.h"

namespace ember::agent {

// What to spawn for a request on the framed port: the user looked up in the guest's files, the
// environment laid over the defaults. NotFound for an unknown user or group, InvalidArgument for
// words that can't be passed to a program and for a request that breaks the protocol's limits.
absl::StatusOr<ProcessSpec> SpecOf(const v1::ExecStart& start);

// 0 is the usual size.
TerminalSize SizeOf(uint32_t rows, uint32_t columns);

// How a process ended, in the words of the protocol, and the reverse.
v1::ExecExited ExitedOf(const ExitStatus& exit);
ExitStatus ExitOf(const v1::ExecExited& exited);

}  // namespace ember::agent
