#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ember/agent/v1/agent.pb.h"
#include "guest-agent/output_ring.h"
#include "guest-agent/saved_process.h"

// The detached processes as bytes, from one run of the agent to the next
// (proto/ember/agent/v1/restart.proto). Pure functions.
namespace ember::agent {

// A process as it was written down: nothing of it is checked against the system.
struct RecordedProcess {
  v1::Process about;
  OutputRing output;
  // Descriptor numbers of one that runs, or -1.
  int input_fd = -1;
  int output_fd = -1;
  int error_fd = -1;
};

// The bytes before the first process and behind the last one, and those of one process. Together
// they are a state.
std::string RestartStateBegin();
std::string RestartStateOf(const SavedProcess& process);
std::string RestartStateEnd();

// Reads a state. DataLoss for bytes that are none, or of another version, or that make no sense:
// too many processes, tags that are taken, descriptors that can't be.
absl::StatusOr<std::vector<RecordedProcess>> ParseRestartState(std::string_view bytes);

}  // namespace ember::agent
