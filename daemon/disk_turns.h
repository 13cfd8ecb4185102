#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/sequence.h"
#include "daemon/vm_table.h"
#include "daemon/waiters.h"

namespace ember::daemon {

// Who may change which file a VM's disk is: one at a time, in the order in which they came. A fork
// or a snapshot holds a turn of its source from its decision to its settling, so what it was
// decided on still holds when its files are there; a start, a delete or a rename waits until nobody
// has one. Lives on `host`.
class DiskTurns {
 public:
  // Held: no other has a turn. Given back when its last copy goes, on any thread.
  using Turn = std::shared_ptr<void>;
  // The VM is null when it was deleted while this one waited.
  using Taker = std::function<void(Vm*, Turn)>;

  DiskTurns(Sequence& host, VmTable& vms, Waiters& waiters)
      : host_(host), vms_(vms), waiters_(waiters) {}

  // Calls `taker` with a turn: at once where nobody has one.
  void Take(Vm& vm, Taker taker);

  // Calls `decide` when nobody has a turn, at once where that is so already: for verbs that settle
  // on a file within one task.
  void Pass(Vm& vm, std::function<void(Vm*)> decide);

  // Takes a turn for work that can wait. `interrupt` is asked to stop when somebody else comes, or
  // only when the daemon ends. The answer is empty while another has a turn.
  enum class Yields { kAtOnce, kAtTheEnd };
  Turn TakeIdle(Vm& vm, std::stop_source interrupt, Yields yields);

  // `freed` is called when nobody has a turn of a VM any more; it takes none itself, but may post.
  void OnFreed(std::function<void(Vm&)> freed) { freed_ = std::move(freed); }

  // Asks all work that can wait to stop.
  void InterruptIdle();

 private:
  struct Line {
    std::deque<Taker> waiting;
    std::optional<std::stop_source> interrupt;  // of the one whose turn it is
    Yields yields = Yields::kAtOnce;
  };
  struct Holder;

  Turn Begin(Vm& vm);
  void End(const std::string& vm_id);

  Sequence& host_;
  VmTable& vms_;
  Waiters& waiters_;
  std::function<void(Vm&)> freed_;
  std::map<std::string, Line, std::less<>> lines_;  // of VMs whose turn somebody has
};

}  // namespace ember::daemon
