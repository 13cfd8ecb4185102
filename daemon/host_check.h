#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/reply.h"
#include "daemon/anomaly.h"
#include "daemon/vm_ledger.h"
#include "daemon/vm_table.h"

namespace ember::daemon {

// Verifies the rows against each other, against what the daemon holds in memory and against the
// host: processes, sockets, volumes, directories. Finds, changes nothing.
//
// Rows and memory are compared on `host`; the host is looked at on a worker, without holding
// anything up, from a copy of the rows. What is found about a VM that has changed meanwhile is
// dropped, so that a VM which just stops is not called corrupted. A VM in the middle of an
// operation is left out of what that operation changes. Lives on `host`.
class HostCheck {
 public:
  HostCheck(VmLedger& ledger, VmTable& vms) : ledger_(ledger), vms_(vms) {}

  // kVms: what is wrong with VMs, cheap enough for every list of them. kAll: also what belongs to
  // no VM, for which every process of the host is looked at.
  enum class Depth { kVms, kAll };

  // An error means that the check could not run, never that all is well.
  void Run(Depth depth, Reply<std::vector<Anomaly>> reply);

  // The same looks at one VM as it is now, for a repair that must not act on old news. Both are
  // false for a VM that runs no machine. A look at /proc or at one file: they do not block.
  static bool ProcessIsGone(const state::VmRecord& vm);
  static bool SocketIsMissing(const Vm& vm);

 private:
  // A copy of what is on record and in hand, for the worker.
  struct Snapshot;

  std::shared_ptr<Snapshot> Take();
  absl::Status CompareRows(Snapshot& snapshot);
  void CompareMemory(Snapshot& snapshot);
  std::vector<Anomaly> Sift(const Snapshot& snapshot, std::vector<Anomaly> found);
  static absl::StatusOr<std::vector<Anomaly>> LookAtHost(const Snapshot& snapshot, Depth depth);

  VmLedger& ledger_;
  VmTable& vms_;
};

}  // namespace ember::daemon
