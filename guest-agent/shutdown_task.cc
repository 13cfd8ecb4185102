#include "guest-agent/power.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<SessionTask>> StartShutdownTask(const Context& context,
                                                               const v1::ClientFrame& request,
                                                               ClientLink& link) {
  v1::AgentFrame frame;
  frame.mutable_shutdown_reply();
  link.Send(frame);
  link.Finish();
  context.power.Begin(request.shutdown().mode() == v1::Shutdown::REBOOT ? PowerMode::kReboot
                                                                        : PowerMode::kPowerOff);
  return nullptr;
}

}  // namespace ember::agent
