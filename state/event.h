#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "state/vm_state.h"

namespace ember::state {

// Something that happened to a VM, for everybody who watches. Stored in the same transaction as the
// change it tells of, so nobody ever sees one without the other. Outlives its VM.
struct Event {
  uint64_t sequence = 0;  // from 1, grows by one, also across restarts of the daemon
  absl::Time time;        // microseconds, UTC
  std::string vm_id;
  std::string vm_name;
  std::string kind;  // a state's name, or another word: "agent-ready", "agent-lost", "deleted"
  VmState state = VmState::kCreating;  // after the event; kDeleting once the VM is gone
  std::string message;                 // one line for a person; may be empty

  friend bool operator==(const Event&, const Event&) = default;
};

}  // namespace ember::state
