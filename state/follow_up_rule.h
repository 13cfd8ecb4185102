#pragma once

#include "state/lifecycle.h"
#include "state/vm_record.h"

namespace ember::state {

// What is to follow once `event` has turned the VM off: decided from its policies, and committed
// with the state itself, so that a crash right after it forgets nothing. Pure.
//
// A follow-up that is on record already (a restart under way, a time to live that ran out) goes
// before every policy; only the launch of an asked restart that fails is the end of it, since
// somebody hears of that. A VM that is removed when it stops is removed whatever its end was. The
// restart policy answers an end that nobody asked for; never a stop, and never the failure of a
// start that somebody waits for.
FollowUp FollowUpAfter(const VmRecord& vm, VmEvent event);

}  // namespace ember::state
