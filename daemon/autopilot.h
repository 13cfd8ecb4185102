#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clocks.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_lifecycle.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// What happens to VMs without anybody asking at that moment: the second half of a restart, starts
// by restart policy, removal at the end, the end of a time to live, autostart. Each is a follow-up
// on the VM's row (vm_record.h), committed together with its reason; Advance does what the row
// says, as far as the VM's state allows, and is called again after every change. So the same code
// goes on where an earlier daemon ended.
//
// Lives on `host`.
class Autopilot {
 public:
  struct Periods {
    absl::Duration first_backoff = absl::Seconds(1);  // doubled with each short run
    absl::Duration longest_backoff = absl::Minutes(1);
    absl::Duration steady_run = absl::Seconds(10);  // a longer run starts the back-off anew
    // How often a time to live is looked at: a timer stands still while the host is suspended.
    absl::Duration expiry_check = absl::Minutes(1);
  };

  Autopilot(VmLedger& ledger, VmLifecycle& lifecycle, VmTable& vms, Clocks clocks, Periods periods);

  // When a VM made now with this time to live expires.
  state::Expiry ExpiryOf(absl::Duration ttl) const;

  // A VM is new in the table: its time to live runs.
  void Watch(const Vm& vm);

  // A change of the VM was committed: what its row asks for is done in a task of its own.
  void OnChanged(Vm& vm);

  // After recovery: goes on with what the rows ask for, and starts the VMs with autostart.
  void Begin();

  // Stops the VM if it runs, and starts it. `started` hears how the start went; a stop, start or
  // delete that comes between answers it with Aborted.
  void Restart(Vm& vm, StopPlan plan, std::function<void(absl::Status)> started);

  // Gives up a start that is planned or part of a restart; OK where there is none.
  absl::Status CancelStart(Vm& vm);
  // True while a start is on record that has not begun.
  static bool StartIsPlanned(const Vm& vm);

 private:
  void Advance(Vm& vm);
  void PlanStart(Vm& vm);
  void StartNow(Vm& vm, state::StartCause cause);
  void OnStarted(Vm& vm, const absl::Status& launched);
  void Expire(const std::string& vm_id);
  absl::Duration LeftOf(const state::Expiry& expiry, absl::Duration ttl) const;
  absl::Duration TakeBackoff(Vm& vm) const;

  VmLedger& ledger_;
  VmLifecycle& lifecycle_;
  VmTable& vms_;
  const Clocks clocks_;
  const Periods periods_;
};

}  // namespace ember::daemon
