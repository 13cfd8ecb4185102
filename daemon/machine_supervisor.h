#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backends/hypervisor/backend.h"
#include "daemon/event_feed.h"
#include "daemon/main_process.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"
#include "daemon/waiters.h"

namespace ember::daemon {

// Looks after the machines that run: opens the doors to each (bridge, console), watches its agent
// and its boot, starts what its image is there to run where that is wanted, and settles its end
// when it ends by itself. What a user or recovery does with a machine is VmLifecycle's and
// Recovery's; where one of them is ending it, the end is theirs to tell.
//
// Lives on `host`. Machines and agents report on `io`; each report is posted to `host` with the id
// of the machine it is about, and one about a machine that the VM no longer has changes nothing.
class MachineSupervisor {
 public:
  // `relaunch` starts a machine for a VM whose row says starting and has the intent.
  MachineSupervisor(VmLedger& ledger, VmTable& vms, EventFeed& feed, Waiters& waiters,
                    std::function<void(Vm&)> relaunch);

  // Takes a machine that runs into the VM, until Vm::LetGo. A bridge that can't be opened is
  // logged: the VM runs without one. A boot that is silent for context().boot_sign_limit is started
  // anew, once.
  void Attach(Vm& vm, std::shared_ptr<hypervisor::Machine> machine);

  // Opens the bridge of a running VM, in the place of the one it has.
  absl::Status OpenBridge(Vm& vm);

  // Settles that the VM's machine ended by itself, if it did and nobody is ending it. To be called
  // when somebody who was has failed.
  void SettleEnd(Vm& vm);

 private:
  void OnExited(const std::string& vm_id, const std::string& machine_id,
                const hypervisor::ExitReport& report);
  void OnAgentChanged(const std::string& vm_id, const std::string& machine_id, AgentState agent);
  void StartMain(Vm& vm, const std::string& machine_id);
  void OnMainStarted(const std::string& vm_id, const std::string& machine_id,
                     const absl::StatusOr<MainStart>& started);
  void CheckBoot(const std::string& vm_id, const std::string& machine_id);
  void RetryBoot(Vm& vm);

  VmLedger& ledger_;
  const VmLedger::Context& context_;
  VmTable& vms_;
  EventFeed& feed_;
  Waiters& waiters_;
  const std::function<void(Vm&)> relaunch_;
};

}  // namespace ember::daemon
