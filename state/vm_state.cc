#include "state/vm_state.h"

#include "base/check.h"

namespace ember::state {

std::string_view VmStateName(VmState state) {
  switch (state) {
    case VmState::kCreating:
      return "creating";
    case VmState::kCreated:
      return "created";
    case VmState::kStarting:
      return "starting";
    case VmState::kRunning:
      return "running";
    case VmState::kPaused:
      return "paused";
    case VmState::kStopping:
      return "stopping";
    case VmState::kStopped:
      return "stopped";
    case VmState::kFailed:
      return "failed";
    case VmState::kDeleting:
      return "deleting";
  }
  EMBER_CHECK(false);
}

std::optional<VmState> ParseVmState(std::string_view word) {
  for (const VmState state : kAllVmStates) {
    if (VmStateName(state) == word) return state;
  }
  return std::nullopt;
}

}  // namespace ember::state
