#include "daemon/commit_group.h"

#include <utility>

#include "base/status_macros.h"

namespace ember::daemon {

void CommitGroup::Add(Change change, Settle settle) {
  waiting_.push_back({std::move(change), std::move(settle), absl::OkStatus()});
  if (waiting_.size() == 1) host_.Post([this] { Flush(); });
}

void CommitGroup::Flush() {
  std::vector<Entry> entries = std::exchange(waiting_, {});
  // What fails as a whole, say on a full disk, is taken apart: each change then has its own answer.
  if (entries.size() == 1 || !CommitTogether(entries).ok()) {
    for (Entry& entry : entries) entry.outcome = entry.change();
  }
  for (const Entry& entry : entries) entry.settle(entry.outcome);
}

absl::Status CommitGroup::CommitTogether(std::vector<Entry>& entries) {
  RETURN_IF_ERROR(store_.BeginBatch());
  for (Entry& entry : entries) entry.outcome = entry.change();
  return store_.CommitBatch();
}

}  // namespace ember::daemon
