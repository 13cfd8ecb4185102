#pragma once

#include <array>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/vm_state.h"

// The lifecycle of a VM as a pure table: which event is allowed in which state, and what comes of
// it. A *verb* (start, stop, …) is asked by a user: Host consults Next before it commits the intent
// and shows a refusal as it is. An *outcome* (launched, exited, …) is reported by a VM's runner, a
// machine or recovery: Host settles it with the state that Next answers. docs/lifecycle.md tells
// the whole story.
namespace ember::state {

enum class VmEvent {
  // Verbs. Posted by Host when a request comes in.
  kStart,        // created, stopped, failed -> starting
  kPause,        // running -> paused; posted once the vCPUs are frozen
  kResume,       // paused -> running; posted once they run again
  kStop,         // running, paused -> stopping
  kForceStop,    // as kStop, and a stop under way becomes a kill
  kDelete,       // created, stopped, failed -> deleting
  kForceDelete,  // as kDelete, and running, paused, stopping too
  kRename,       // created, stopped, failed: stays; the name changes
  kUpdate,       // created, stopped, failed: stays; the configuration changes
  kFork,         // created, stopped, failed, running, paused: stays; its disk is cloned, for a fork
                 // or a snapshot
  kRestore,      // created, stopped, failed: stays; its disk is that of a snapshot
  // Outcomes of a runner's work.
  kCreateDone,    // creating -> created: the disk is there
  kCreateFailed,  // creating, created, starting -> deleting: a create (with its first start, where
                  // it asked for one) failed or was cancelled and is undone
  kLaunched,      // starting -> running
  kLaunchFailed,  // starting -> failed
  kBootRetry,     // running -> starting: the boot shows no sign of life, the watchdog starts anew
  kStopped,       // stopping -> stopped: every process of the machine is gone
  kStopFailed,    // stopping -> running: the machine would not end, it still runs
  kDeleteFailed,  // deleting -> failed: something could not be removed; delete may be repeated
  // What a machine did by itself.
  kPoweredOff,  // the guest shut itself down in order: starting, running, paused -> stopped
  kExited,      // it ended in any other way: starting, running, paused -> failed
  // What recovery found.
  kLost,  // the machine of a row is gone: starting, running, paused -> failed; stopping -> stopped
};

inline constexpr std::array kAllVmEvents = {
    VmEvent::kStart,        VmEvent::kPause,      VmEvent::kResume,       VmEvent::kStop,
    VmEvent::kForceStop,    VmEvent::kDelete,     VmEvent::kForceDelete,  VmEvent::kRename,
    VmEvent::kUpdate,       VmEvent::kFork,       VmEvent::kRestore,      VmEvent::kCreateDone,
    VmEvent::kCreateFailed, VmEvent::kLaunched,   VmEvent::kLaunchFailed, VmEvent::kBootRetry,
    VmEvent::kStopped,      VmEvent::kStopFailed, VmEvent::kDeleteFailed, VmEvent::kPoweredOff,
    VmEvent::kExited,       VmEvent::kLost};

// "start", "launch-failed", ...: for messages and tests.
std::string_view VmEventName(VmEvent event);

// The state that follows `event` in `state`. A refused verb is FailedPrecondition with reason
// WRONG_STATE, a text such as "vm 'web' is already running" or "vm 'web' is stopping", and a hint
// where a command helps. A refused outcome is FailedPrecondition too ("vm 'web': unexpected
// 'launched' while stopped"): whoever gets one logs it and changes nothing.
//
// While a machine's end is being worked on, outcomes that say less change nothing and are no
// errors: kPoweredOff and kExited in stopping and deleting, kStopped and kStopFailed in deleting.
//
// The end of deleting is no event: the row goes (Store::DeleteVm).
absl::StatusOr<VmState> Next(VmState state, VmEvent event, std::string_view vm_name);

// True where a machine may be running: a machine row is expected.
bool MayHaveMachine(VmState state);

}  // namespace ember::state
