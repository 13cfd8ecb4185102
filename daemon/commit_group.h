#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "base/sequence.h"
#include "state/store.h"

namespace ember::daemon {

// Gathers the changes of requests that came at the same time under one commit, so that they wait
// for the disk once. It holds nothing back: a group is what has queued up while the one before was
// written, and a change that comes alone is committed alone.
//
// Lives on `host`.
class CommitGroup {
 public:
  // Makes its calls of the store and changes nothing else: it may be run again.
  using Change = std::function<absl::Status()>;
  // Takes the outcome over, once the change is on disk or was not made at all.
  using Settle = std::function<void(const absl::Status&)>;

  // Borrows both.
  CommitGroup(Sequence& host, state::Store& store) : host_(host), store_(store) {}

  // `change` runs behind the tasks that are queued now. A change that fails undoes only itself.
  void Add(Change change, Settle settle);

 private:
  struct Entry {
    Change change;
    Settle settle;
    absl::Status outcome;
  };

  void Flush();
  absl::Status CommitTogether(std::vector<Entry>& entries);

  Sequence& host_;
  state::Store& store_;
  std::vector<Entry> waiting_;
};

}  // namespace ember::daemon
