#include "guest-agent/guest_stats.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<SessionTask>> StartGetStatsTask(const Context&,
                                                               const v1::ClientFrame&,
                                                               ClientLink& link) {
  v1::AgentFrame frame;
  *frame.mutable_stats() = ReadStats();
  link.Send(frame);
  link.Finish();
  return nullptr;
}

}  // namespace ember::agent
