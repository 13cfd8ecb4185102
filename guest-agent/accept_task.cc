#include <utility>

#include "base/status_macros.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<SessionTask>> StartAcceptTask(const Context& context,
                                                             const v1::ClientFrame& request,
                                                             ClientLink& link) {
  ASSIGN_OR_RETURN(UniqueFd guest, context.arrivals.Fetch(request.accept_stream().token()));
  v1::AgentFrame open;
  open.mutable_stream_open();
  link.Send(open);
  context.joints.Join(link.Take(), std::move(guest));
  return nullptr;
}

}  // namespace ember::agent
