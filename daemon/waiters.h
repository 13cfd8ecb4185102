#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "base/sequence.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// What a look at a VM tells somebody who waits for a condition.
enum class Verdict { kNotYet, kHolds, kNever };

// How a wait ended. kGone: the VM was deleted; kCancelled: the caller's wish, or the caller's own
// deadline.
enum class WaitEnd { kHolds, kNever, kGone, kTimedOut, kCancelled };

// Those who wait for something to become true of a VM. Lives on `host`.
class Waiters {
 public:
  using Condition = std::function<Verdict(const Vm&)>;
  // Called once, on `host`; the VM is null when it is gone.
  using Done = absl::AnyInvocable<void(WaitEnd, Vm*) &&>;

  Waiters(Sequence& host, VmTable& vms) : host_(host), vms_(vms) {}

  // Calls `done` when `condition` holds or can't any more, after `timeout`, or when `cancellation`
  // ends it: at once where that is so already.
  void Add(Vm& vm, Condition condition, absl::Duration timeout, const Cancellation& cancellation,
           Done done);

  // Looks again at those who wait for this VM; call after every change of it.
  void Notify(Vm& vm);
  // The VM is about to go.
  void Gone(std::string_view vm_id);
  // Forgets all who wait, uncalled: the host ends.
  void Clear();

 private:
  struct Waiter {
    uint64_t id;
    std::string vm_id;
    Condition condition;
    Done done;
    std::shared_ptr<void> on_stop;  // the stop_callback, type erased
  };

  void End(uint64_t id, WaitEnd end);
  void Finish(std::list<Waiter>::iterator waiter, WaitEnd end, Vm* vm);

  Sequence& host_;
  VmTable& vms_;
  std::list<Waiter> waiters_;
  uint64_t next_id_ = 1;
};

}  // namespace ember::daemon
