#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/reply.h"
#include "daemon/event_feed.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"
#include "state/forward.h"

namespace ember::daemon {

// A forward as it is shown.
struct ForwardView {
  state::Forward forward;
  std::string vm_name;
  std::string reason;  // why somebody who connects now is not served; empty: he is
  uint32_t connections = 0;
};

// Sockets of the host that lead into guests, and the reverse. A forward is a row: it listens from
// the moment it is added until it is removed or its VM deleted, whether the VM runs or not, and
// again after a restart of the daemon. Who connects while the VM is off is closed at once. An
// address that can't be had at a restart is tried again, and the forward says so.
//
// Lives on `host`; what listens and the bytes live on `io`.
class Forwards {
 public:
  Forwards(const VmLedger::Context& context, VmTable& vms, EventFeed& feed);
  Forwards(const Forwards&) = delete;
  Forwards& operator=(const Forwards&) = delete;
  // Removes the files of sockets.
  ~Forwards();

  // Records a forward of the VM and serves it; its port 0 becomes a free one. InvalidArgument for
  // sides that make no sense (CheckForward), AlreadyExists for an address of the host that is
  // taken, by a forward or by another program: then there is no row.
  absl::StatusOr<ForwardView> Add(Vm& vm, state::Forward forward);
  // Answers once its address is free. NotFound (reason FORWARD_NOT_FOUND).
  void Remove(const std::string& id, Reply<Done> reply);
  // Of one VM, or with an empty id of all; oldest first.
  absl::StatusOr<std::vector<ForwardView>> List(std::string_view vm_id);

  // Serves what the rows say. Called once the VMs are known, and before one of them can be gone.
  absl::Status Restore();
  // A VM or its machine has changed: what leads to it follows.
  void Follow(const Vm& vm);
  // Serves nothing any more.
  void Clear();

 private:
  class Served;
  // One whose address can't be had.
  struct Unserved {
    std::string vm_id;
    absl::Status why;
  };

  absl::Status Begin(const Vm& vm, const state::Forward& forward);
  absl::Status Listen(const Vm& vm, const state::Forward& forward);
  void Resume(const Vm& vm, const state::Forward& forward);
  void TryLater(const std::string& vm_id, const std::string& id);
  void Close(const Vm& vm);
  ForwardView ViewOf(const state::Forward& forward) const;
  std::string WhyNotServed(const state::Forward& forward) const;

  const VmLedger::Context& context_;
  VmTable& vms_;
  EventFeed& feed_;
  std::map<std::string, std::unique_ptr<Served>, std::less<>> served_;  // by the forward's id
  std::map<std::string, Unserved, std::less<>> unserved_;               // by the same
  // Tasks find here whether we still live. Shared with them.
  const std::shared_ptr<Forwards*> self_ = std::make_shared<Forwards*>(this);
};

}  // namespace ember::daemon
