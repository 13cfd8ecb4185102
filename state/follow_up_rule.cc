#include "state/follow_up_rule.h"

namespace ember::state {

FollowUp FollowUpAfter(const VmRecord& vm, VmEvent event) {
  if (vm.follow_up == FollowUp::kStart && event == VmEvent::kLaunchFailed) return FollowUp::kNone;
  if (vm.follow_up != FollowUp::kNone) return vm.follow_up;
  const bool by_itself = event == VmEvent::kPoweredOff || event == VmEvent::kExited ||
                         (event == VmEvent::kLost && vm.state != VmState::kStopping);
  const bool as_asked = event == VmEvent::kStopped || event == VmEvent::kLost;
  if (vm.config.remove_when_stopped && (by_itself || as_asked)) return FollowUp::kDelete;
  if (!by_itself) return FollowUp::kNone;
  const RestartPolicy policy = vm.config.restart_policy;
  const bool again = policy == RestartPolicy::kAlways ||
                     (policy == RestartPolicy::kOnFailure && event != VmEvent::kPoweredOff);
  return again ? FollowUp::kRestart : FollowUp::kNone;
}

}  // namespace ember::state
