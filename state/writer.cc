#include "state/writer.h"

#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace ember::state {

// --- Write. ---

Write::Write(Transaction transaction, bool part, const Mirrors& mirrors)
    : transaction_(std::move(transaction)),
      part_(part),
      mirrors_(mirrors),
      events_mark_(mirrors.events.Mark()),
      cids_mark_(mirrors.cids.Mark()),
      blocks_mark_(mirrors.blocks.Mark()) {}

absl::StatusOr<Write> Write::Begin(Database& database, const Mirrors& mirrors) {
  const bool part = database.in_transaction();
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  return Write(std::move(transaction), part, mirrors);
}

Write::~Write() {
  if (!open_.value) return;
  mirrors_.events.RollBack(events_mark_);
  mirrors_.cids.RollBack(cids_mark_);
  mirrors_.blocks.RollBack(blocks_mark_);
}

absl::Status Write::Commit() {
  if (!part_) RETURN_IF_ERROR(mirrors_.events.Prune());
  RETURN_IF_ERROR(transaction_.Commit());
  open_.value = false;
  if (part_) return absl::OkStatus();
  mirrors_.events.Committed();
  mirrors_.cids.Committed();
  mirrors_.blocks.Committed();
  return absl::OkStatus();
}

// --- Writer. ---

absl::StatusOr<Write> Writer::Begin() {
  if (in_batch() && !database_.in_transaction()) return Undone();
  return Write::Begin(database_, mirrors_);
}

absl::Status Writer::BeginBatch() {
  EMBER_CHECK(!in_batch());
  ASSIGN_OR_RETURN(Write batch, Write::Begin(database_, mirrors_));
  batch_.emplace(std::move(batch));
  return absl::OkStatus();
}

absl::Status Writer::CommitBatch() {
  EMBER_CHECK(in_batch());
  Write batch = *std::move(batch_);
  batch_.reset();
  if (!database_.in_transaction()) return Undone();
  return batch.Commit();
}

absl::Status Writer::Undone() const {
  return WithReason(WithHint(Aborted("{}: an error undid the whole batch, nothing of it was stored",
                                     database_.path().native()),
                             "nothing was changed; try again"),
                    "BATCH_UNDONE");
}

}  // namespace ember::state
