#pragma once

#include <memory>

#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "daemon/agent_dial.h"

namespace ember::daemon {

// A guest whose file systems stand still. They go on when this object goes, when Thaw is called,
// and after the limit, whatever happens here: the agent sees to that. May be used and destroyed on
// any thread while `io` lives.
class FrozenVm {
 public:
  virtual ~FrozenVm() = default;

  // Lets them go on; call once. Answers, on `io`, for how long they stood still as seen from here.
  // DeadlineExceeded with reason FREEZE_LIMIT when they did not stand still up to now, and
  // Unavailable with reason VM_WENT_AWAY when the guest is gone: what was done meanwhile is not
  // consistent then.
  virtual void Thaw(Reply<absl::Duration> reply) = 0;
};

// No guest's file systems stand still for longer.
inline constexpr absl::Duration kMostFrozen = absl::Seconds(5);

// Freezes every writable file system on the guest's disks, for `limit` at most (1 ms to
// kMostFrozen). AGENT_TOO_OLD, and nothing sent, when the agent can't. Dials until it answers, as
// AskVm. Errors name the VM. Any thread; the answer comes on `io`.
void FreezeVm(EventLoop& io, ReachedVm vm, absl::Duration limit,
              Reply<std::unique_ptr<FrozenVm>> reply);

}  // namespace ember::daemon
