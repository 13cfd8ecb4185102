#include "state/lifecycle.h"

#include <string>

#include "base/check.h"
#include "base/status.h"

namespace ember::state {
namespace {

using S = VmState;
using E = VmEvent;

struct Transition {
  VmState from;
  VmEvent event;
  VmState to;
};

// All that is allowed. A pair that is not here is refused.
constexpr Transition kTransitions[] = {
    {S::kCreating, E::kCreateDone, S::kCreated},
    {S::kCreating, E::kCreateFailed, S::kDeleting},

    {S::kCreated, E::kStart, S::kStarting},
    {S::kCreated, E::kDelete, S::kDeleting},
    {S::kCreated, E::kForceDelete, S::kDeleting},
    {S::kCreated, E::kRename, S::kCreated},
    {S::kCreated, E::kUpdate, S::kCreated},
    {S::kCreated, E::kFork, S::kCreated},
    {S::kCreated, E::kRestore, S::kCreated},
    {S::kCreated, E::kCreateFailed, S::kDeleting},

    {S::kStarting, E::kLaunched, S::kRunning},
    {S::kStarting, E::kLaunchFailed, S::kFailed},
    {S::kStarting, E::kCreateFailed, S::kDeleting},
    {S::kStarting, E::kPoweredOff, S::kStopped},
    {S::kStarting, E::kExited, S::kFailed},
    {S::kStarting, E::kLost, S::kFailed},

    {S::kRunning, E::kPause, S::kPaused},
    {S::kRunning, E::kFork, S::kRunning},
    {S::kRunning, E::kStop, S::kStopping},
    {S::kRunning, E::kForceStop, S::kStopping},
    {S::kRunning, E::kForceDelete, S::kDeleting},
    {S::kRunning, E::kBootRetry, S::kStarting},
    {S::kRunning, E::kPoweredOff, S::kStopped},
    {S::kRunning, E::kExited, S::kFailed},
    {S::kRunning, E::kLost, S::kFailed},

    {S::kPaused, E::kResume, S::kRunning},
    {S::kPaused, E::kFork, S::kPaused},
    {S::kPaused, E::kStop, S::kStopping},
    {S::kPaused, E::kForceStop, S::kStopping},
    {S::kPaused, E::kForceDelete, S::kDeleting},
    {S::kPaused, E::kPoweredOff, S::kStopped},
    {S::kPaused, E::kExited, S::kFailed},
    {S::kPaused, E::kLost, S::kFailed},

    {S::kStopping, E::kForceStop, S::kStopping},
    {S::kStopping, E::kForceDelete, S::kDeleting},
    {S::kStopping, E::kStopped, S::kStopped},
    {S::kStopping, E::kStopFailed, S::kRunning},
    {S::kStopping, E::kLost, S::kStopped},
    // The runner that ends the machine says when all of it is gone.
    {S::kStopping, E::kPoweredOff, S::kStopping},
    {S::kStopping, E::kExited, S::kStopping},

    {S::kStopped, E::kStart, S::kStarting},
    {S::kStopped, E::kDelete, S::kDeleting},
    {S::kStopped, E::kForceDelete, S::kDeleting},
    {S::kStopped, E::kRename, S::kStopped},
    {S::kStopped, E::kUpdate, S::kStopped},
    {S::kStopped, E::kFork, S::kStopped},
    {S::kStopped, E::kRestore, S::kStopped},

    {S::kFailed, E::kStart, S::kStarting},
    {S::kFailed, E::kDelete, S::kDeleting},
    {S::kFailed, E::kForceDelete, S::kDeleting},
    {S::kFailed, E::kRename, S::kFailed},
    {S::kFailed, E::kUpdate, S::kFailed},
    {S::kFailed, E::kFork, S::kFailed},
    {S::kFailed, E::kRestore, S::kFailed},

    {S::kDeleting, E::kDeleteFailed, S::kFailed},
    // The delete goes on, whatever a stop before it or the machine itself has to say.
    {S::kDeleting, E::kStopped, S::kDeleting},
    {S::kDeleting, E::kStopFailed, S::kDeleting},
    {S::kDeleting, E::kPoweredOff, S::kDeleting},
    {S::kDeleting, E::kExited, S::kDeleting},
};

bool IsVerb(VmEvent event) {
  switch (event) {
    case E::kStart:
    case E::kPause:
    case E::kResume:
    case E::kStop:
    case E::kForceStop:
    case E::kDelete:
    case E::kForceDelete:
    case E::kRename:
    case E::kUpdate:
    case E::kFork:
    case E::kRestore:
      return true;
    default:
      return false;
  }
}

// What to tell a user whose verb is refused.
struct Refusal {
  std::string condition;  // "is already running"
  std::string hint;       // may be empty
};

Refusal RefuseWhileRunning(VmEvent event, std::string_view name) {
  switch (event) {
    case E::kStart:
      return {"is already running", fmt::format("stop it first: ember vm stop {}", name)};
    case E::kDelete:
      return {"is running", fmt::format("stop it first: ember vm stop {0}, or delete it with its "
                                        "machine: ember vm delete --force {0}",
                                        name)};
    case E::kRename:
    case E::kUpdate:
    case E::kRestore:
      return {"is running", fmt::format("stop it first: ember vm stop {}", name)};
    default:
      return {"is running and not paused", ""};
  }
}

Refusal RefuseWhilePaused(VmEvent event, std::string_view name) {
  switch (event) {
    case E::kDelete:
      return {"is paused", fmt::format("stop it first: ember vm stop {0}, or delete it with its "
                                       "machine: ember vm delete --force {0}",
                                       name)};
    case E::kPause:
      return {"is already paused", fmt::format("go on with it: ember vm resume {}", name)};
    case E::kRename:
    case E::kUpdate:
    case E::kRestore:
      return {"is paused", fmt::format("stop it first: ember vm stop {}", name)};
    default:
      return {"is paused", fmt::format("go on with it: ember vm resume {}", name)};
  }
}

Refusal RefuseWhileOff(VmState state, VmEvent event, std::string_view name) {
  const bool stop = event == E::kStop || event == E::kForceStop;
  const std::string start = fmt::format("start it: ember vm start {}", name);
  if (state == S::kFailed) {
    return {"is not running, it has failed",
            fmt::format("see why: ember vm inspect {0}; start it again: ember vm start {0}", name)};
  }
  if (state == S::kCreated) return {"is not running, it was never started", stop ? "" : start};
  return {stop ? "is already stopped" : "is not running, it is stopped", stop ? "" : start};
}

Refusal RefuseVerb(VmState state, VmEvent event, std::string_view name) {
  const std::string wait = "try again when that is done: ember vm list";
  switch (state) {
    case S::kCreating:
      return {"is being created", wait};
    case S::kStarting:
      return {"is starting", wait};
    case S::kStopping:
      return {"is stopping", event == E::kStop || event == E::kDelete
                                 ? fmt::format("kill it: ember vm stop --force {}", name)
                                 : wait};
    case S::kRunning:
      return RefuseWhileRunning(event, name);
    case S::kPaused:
      return RefuseWhilePaused(event, name);
    case S::kCreated:
    case S::kStopped:
    case S::kFailed:
      return RefuseWhileOff(state, event, name);
    case S::kDeleting:
      break;
  }
  return {"is being deleted", wait};
}

absl::Status Refuse(VmState state, VmEvent event, std::string_view name) {
  if (!IsVerb(event)) {
    return FailedPrecondition("vm '{}': unexpected '{}' while {}", name, VmEventName(event),
                              VmStateName(state));
  }
  const Refusal refusal = RefuseVerb(state, event, name);
  absl::Status status = FailedPrecondition("vm '{}' {}", name, refusal.condition);
  return refusal.hint.empty() ? status : WithHint(std::move(status), refusal.hint);
}

}  // namespace

std::string_view VmEventName(VmEvent event) {
  switch (event) {
    case E::kStart:
      return "start";
    case E::kPause:
      return "pause";
    case E::kResume:
      return "resume";
    case E::kStop:
      return "stop";
    case E::kForceStop:
      return "force-stop";
    case E::kDelete:
      return "delete";
    case E::kForceDelete:
      return "force-delete";
    case E::kRename:
      return "rename";
    case E::kUpdate:
      return "update";
    case E::kFork:
      return "fork";
    case E::kRestore:
      return "restore";
    case E::kCreateDone:
      return "create-done";
    case E::kCreateFailed:
      return "create-failed";
    case E::kLaunched:
      return "launched";
    case E::kLaunchFailed:
      return "launch-failed";
    case E::kBootRetry:
      return "boot-retry";
    case E::kStopped:
      return "stopped";
    case E::kStopFailed:
      return "stop-failed";
    case E::kDeleteFailed:
      return "delete-failed";
    case E::kPoweredOff:
      return "powered-off";
    case E::kExited:
      return "exited";
    case E::kLost:
      return "lost";
  }
  EMBER_CHECK(false);
}

absl::StatusOr<VmState> Next(VmState state, VmEvent event, std::string_view vm_name) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == state && transition.event == event) return transition.to;
  }
  absl::Status refused = WithReason(Refuse(state, event, vm_name), "WRONG_STATE");
  refused = WithMetadata(std::move(refused), "vm", vm_name);
  return WithMetadata(std::move(refused), "state", VmStateName(state));
}

bool MayHaveMachine(VmState state) {
  switch (state) {
    case S::kStarting:
    case S::kRunning:
    case S::kPaused:
    case S::kStopping:
    case S::kDeleting:
      return true;
    default:
      return false;
  }
}

}  // namespace ember::state
