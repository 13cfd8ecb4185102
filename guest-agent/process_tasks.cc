#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/input_gate.h"
#include "guest-agent/process_table.h"
#include "guest-agent/session_task.h"

// The questions about processes: each is answered at once.
namespace ember::agent {

absl::StatusOr<std::unique_ptr<SessionTask>> StartListProcessesTask(const Context& context,
                                                                    const v1::ClientFrame&,
                                                                    ClientLink& link) {
  v1::AgentFrame frame;
  *frame.mutable_process_list() = context.processes.List();
  link.Send(frame);
  link.Finish();
  return nullptr;
}

absl::StatusOr<std::unique_ptr<SessionTask>> StartSignalProcessTask(const Context& context,
                                                                    const v1::ClientFrame& request,
                                                                    ClientLink& link) {
  const v1::SignalProcess& signal = request.signal_process();
  RETURN_IF_ERROR(CheckSignal(signal.number()));
  ASSIGN_OR_RETURN(const auto process, context.processes.Find(signal.tag()));
  if (process->exit().has_value()) {
    return FailedPrecondition("process '{}' has ended already: {}", signal.tag(),
                              process->exit()->Describe());
  }
  process->Signal(static_cast<int>(signal.number()),
                  signal.leader_only() ? SignalTarget::kLeader : SignalTarget::kGroup);
  v1::AgentFrame frame;
  frame.mutable_done();
  link.Send(frame);
  link.Finish();
  return nullptr;
}

}  // namespace ember::agent
