#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "cli/invocation.h"
#include "ember/v1/vm.pb.h"

// How VMs are shown by the commands that show them.
namespace ember::cli {

// NAME STATUS AGENT IP VSOCK CPUS MEM DISK IMAGE, one row each. The status of a VM with an anomaly
// ends in "[CORRUPTED]".
std::string VmTableText(const v1::ListVmsResponse& response);
// One VM as "key: value" lines.
std::string VmText(const v1::Vm& vm);

// Whether a start was asked to wait for the agent.
enum class AgentWait { kAwaited, kSkipped };
// After a create or start: a note on what has come of it, with a hint when the agent was awaited in
// vain.
void NoteOutcome(const Invocation& invocation, const v1::Vm& vm, AgentWait wait,
                 absl::Duration elapsed);

}  // namespace ember::cli
