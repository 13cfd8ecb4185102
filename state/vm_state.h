#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace ember::state {

// Where a VM is in its life. lifecycle.h has the table of events, docs/lifecycle.md the story.
enum class VmState {
  kCreating,  // set by create, with the row itself; next: created, or undone through deleting
  kCreated,   // set when the disk is there; never started; next: starting or deleting
  kStarting,  // set by start before anything is launched; next: running or failed
  kRunning,   // set when the backend says that the machine runs; next: any verb, or its end
  kPaused,    // set when the vCPUs are frozen; next: running, stopping, or its end
  kStopping,  // set by stop before the guest is told; next: stopped (or running: it would not end)
  kStopped,   // set when the machine has ended as wished; next: starting or deleting
  kFailed,  // set when a start failed or a machine ended by itself; the record's state_reason says
            // why; next: starting or deleting
  kDeleting,  // set by delete before anything is removed; next: the row goes (or failed)
};

inline constexpr std::array kAllVmStates = {
    VmState::kCreating, VmState::kCreated, VmState::kStarting, VmState::kRunning, VmState::kPaused,
    VmState::kStopping, VmState::kStopped, VmState::kFailed,   VmState::kDeleting};

// "creating", "created", ...: the words of the database, the events and the command line.
std::string_view VmStateName(VmState state);

// The reverse; nothing for another word.
std::optional<VmState> ParseVmState(std::string_view word);

}  // namespace ember::state
