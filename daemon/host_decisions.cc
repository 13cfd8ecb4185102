#include "daemon/host_decisions.h"

namespace ember::daemon {

absl::Status NotRunning(const Vm& vm) {
  if (vm.record.state == state::VmState::kRunning) {
    return WithHint(
        Unavailable("vm '{}' is not taken over yet after a restart of emberhostd", vm.record.name),
        "try again in a moment");
  }
  const std::string_view state = state::VmStateName(vm.record.state);
  absl::Status status = WithReason(
      FailedPrecondition("vm '{}' is {}, not running", vm.record.name, state), "WRONG_STATE");
  const bool can_start = vm.record.state == state::VmState::kCreated ||
                         vm.record.state == state::VmState::kStopped ||
                         vm.record.state == state::VmState::kFailed;
  return can_start
             ? WithHint(status, fmt::format("start it with 'ember vm start {}'", vm.record.name))
             : status;
}

absl::Status BeingRenamed(const Vm& vm) {
  return WithHint(WithReason(FailedPrecondition("vm '{}' is being renamed from '{}'",
                                                vm.record.name, vm.record.dir_name),
                             "WRONG_STATE"),
                  "try again when that is done: ember vm list");
}

Verdict AgentIsReady(const Vm& vm) {
  if (vm.agent == AgentState::kReady) return Verdict::kHolds;
  const bool may_come =
      state::MayHaveMachine(vm.record.state) || vm.record.state == state::VmState::kCreating;
  return may_come && vm.record.state != state::VmState::kStopping ? Verdict::kNotYet
                                                                  : Verdict::kNever;
}

Verdict HasStopped(const Vm& vm) {
  switch (vm.record.state) {
    case state::VmState::kCreated:
    case state::VmState::kStopped:
    case state::VmState::kFailed:
      return Verdict::kHolds;
    default:
      return Verdict::kNotYet;
  }
}

}  // namespace ember::daemon
