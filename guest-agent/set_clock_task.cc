#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/guest_clock.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<SessionTask>> StartSetClockTask(const Context& context,
                                                               const v1::ClientFrame& request,
                                                               ClientLink& link) {
  if (context.clock == ClockOwner::kHost) {
    return PermissionDenied("SetClock: this agent runs in no VM, and the host keeps its clock");
  }
  RETURN_IF_ERROR(SetClock(request.set_clock(), ClockSetter::Real()));
  v1::AgentFrame frame;
  frame.mutable_done();
  link.Send(frame);
  link.Finish();
  return nullptr;
}

}  // namespace ember::agent
