#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/reply.h"
#include "daemon/disk_keeper.h"
#include "daemon/machine_supervisor.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_lifecycle.h"
#include "daemon/vm_settings.h"

namespace ember::daemon {

// Brings rows and reality together when the daemon starts: the same steps that handle a failure,
// taken from what the rows say.
//
//   creating           undone: the caller never got an answer
//   starting           what the launch left is ended; the VM has failed. A restart goes on
//   running, paused    adopted, and thawed or frozen as the row says; failed with the reason when
//                      its machine is gone. An adoption that goes wrong in any other way ends
//                      nothing and is tried again
//   stopping           adopted, and the guest is asked again
//   renamed half way   its directory is moved; where that can't be, the VM has its old name again
//   deleting           finished
//   failed             a machine that an earlier try could not end is ended
//
// A machine that can't be ended keeps its row, so that no second one is started on its disk.
//
// Afterwards what belongs to this installation and to no row is removed: tagged processes,
// directories under vms/. VMs are handled at the same time, each within a deadline. Lives on
// `host`.
class Recovery {
 public:
  Recovery(VmLedger& ledger, MachineSupervisor& supervisor, VmLifecycle& lifecycle,
           VmSettings& settings, DiskKeeper& disks, VmTable& vms)
      : ledger_(ledger),
        supervisor_(supervisor),
        lifecycle_(lifecycle),
        settings_(settings),
        disks_(disks),
        vms_(vms) {}

  // Answers when every VM has been settled; an error is the store's. `known` is called once all of
  // them are in the table, before anything is done about them.
  void Run(const std::function<void()>& known, Reply<Done> reply);

  // Settles that the machine of a VM is gone, with what it left.
  void SettleLost(Vm& vm);

 private:
  // Answers the caller when its last holder is gone.
  struct Pass;
  using PassPtr = std::shared_ptr<Pass>;

  void Recover(Vm& vm, const PassPtr& pass);
  void Adopt(Vm& vm, const PassPtr& pass);
  void OnAdopted(Vm& vm, absl::StatusOr<std::shared_ptr<hypervisor::Machine>> machine,
                 const PassPtr& pass);
  void AdoptLater(Vm& vm, const absl::Status& why);
  void MatchMotion(Vm& vm);
  void SettleLost(Vm& vm, const absl::Status& gone, const PassPtr& pass);
  // Ends what may be left of the machine, then settles `event`; without one the state stays.
  void EndLeftMachine(Vm& vm, std::optional<state::VmEvent> event, std::string why,
                      const PassPtr& pass);
  void MachineGone(Vm& vm, std::optional<state::VmEvent> event, std::string why);
  void MachineLeft(Vm& vm, std::optional<state::VmEvent> event, const absl::Status& why);
  void RemoveLeftovers();

  VmLedger& ledger_;
  MachineSupervisor& supervisor_;
  VmLifecycle& lifecycle_;
  VmSettings& settings_;
  DiskKeeper& disks_;
  VmTable& vms_;
};

}  // namespace ember::daemon
