#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "backends/hypervisor/backend.h"
#include "base/cancellation.h"
#include "daemon/admission.h"
#include "daemon/event_feed.h"
#include "daemon/machine_supervisor.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"
#include "daemon/waiters.h"
#include "state/lifecycle.h"

namespace ember::daemon {

// Start, stop, pause, resume and delete: commit the intent, let the runner work, settle the
// outcome. Lives on `host`; the Host's verbs, VmCreator, Autopilot and Recovery share one.
class VmLifecycle {
 public:
  using Done = std::function<void(absl::Status)>;
  // What becomes of a VM whose first start fails.
  enum class OnFailure { kStayFailed, kLeaveToCaller };
  struct StartPlan {
    OnFailure on_failure = OnFailure::kStayFailed;
    state::StartCause cause = state::StartCause::kAsked;
    Cancellation cancellation = {};
  };

  // `removed` is called when a VM is gone.
  VmLifecycle(VmLedger& ledger, MachineSupervisor& supervisor, VmTable& vms, EventFeed& feed,
              Waiters& waiters, Admission::Limit memory, std::function<void()> removed);

  // Launches a machine, once nobody changes its disk. `launched` is called when it runs or could
  // not be started; with kLeaveToCaller a failure is not settled and the VM stays in starting. A
  // start that the table or the admission of memory refuses changes nothing.
  void Start(Vm& vm, StartPlan plan, Done launched);

  // Launches a machine for a VM whose row says starting and has the intent, without a caller.
  void Relaunch(Vm& vm);

  // Stops a running VM; an OK means stopped. With force a stop under way becomes a kill. A
  // follow-up that is given is recorded with the intent.
  void Stop(Vm& vm, StopPlan plan, std::optional<state::FollowUp> follow_up, Done stopped);

  // The second half of Stop, for a VM that is in state stopping already.
  void FinishStop(Vm& vm, StopPlan plan, Done stopped);

  // Freezes or thaws a running VM. An answer that can't be recorded is taken back.
  void Pause(Vm& vm, Done paused);
  void Resume(Vm& vm, Done resumed);

  // Removes the VM, once nobody changes its disk: kills what runs, removes its files, then its row.
  // `event` is kDelete, kForceDelete or kCreateFailed; `why` goes into the event.
  void Remove(Vm& vm, state::VmEvent event, std::string why, Done removed);

  // The second half of Remove, for a VM that is in state deleting already.
  void FinishRemoval(Vm& vm, std::string why, Done removed);

  // Waits for the agent of a machine that runs, at most `agent_wait`; running out is OK.
  void AwaitAgent(Vm& vm, absl::Duration agent_wait, Cancellation cancellation, Done done);

  const Admission& admission() const { return admission_; }

 private:
  absl::StatusOr<hypervisor::MachineSpec> SpecFor(const Vm& vm, const hypervisor::Backend& backend,
                                                  const std::string& machine_id) const;
  std::vector<std::string> UnfinishedVolumes(const Vm& vm) const;
  void StartNow(Vm& vm, StartPlan plan, Done launched);
  void RemoveNow(Vm& vm, state::VmEvent event, std::string why, Done removed);
  void Launch(Vm& vm, OnFailure on_failure, Cancellation cancellation, Done launched);
  void OnLaunched(Vm& vm, absl::StatusOr<std::shared_ptr<hypervisor::Machine>> machine,
                  OnFailure on_failure, const Done& launched);
  void Settle(Vm& vm, VmRunner::Motion motion, const Done& moved);
  void Move(Vm& vm, VmRunner::Motion motion, Done moved);
  void EndMachine(Vm& vm, StopPlan plan, std::function<void(Vm&, absl::Status)> ended);
  void OnRemoved(Vm& vm, const absl::Status& outcome, const std::string& why, const Done& removed);

  VmLedger& ledger_;
  const VmLedger::Context& context_;
  MachineSupervisor& supervisor_;
  VmTable& vms_;
  EventFeed& feed_;
  Waiters& waiters_;
  const Admission admission_;
  const std::function<void()> removed_;
};

}  // namespace ember::daemon
