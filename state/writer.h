#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/event_log.h"
#include "state/free_numbers.h"

namespace ember::state {

// What memory mirrors of the database.
struct Mirrors {
  EventLog& events;
  FreeNumbers& cids;
  FreeNumbers& blocks;
};

// One write to the database and to what memory mirrors of it: all of it or, when destroyed
// uncommitted, nothing. Inside another write it is a part of that, which can be undone alone and is
// on disk with it. The inner one ends first. Move only; lives where its database lives.
class Write {
 public:
  static absl::StatusOr<Write> Begin(Database& database, const Mirrors& mirrors);
  Write(Write&&) noexcept = default;
  Write& operator=(Write&&) = delete;
  ~Write();

  // As Transaction::Commit.
  absl::Status Commit();

 private:
  // Says whether this object is the one that has to end the write.
  struct Open {
    Open() = default;
    Open(Open&& other) noexcept : value(std::exchange(other.value, false)) {}
    bool value = true;
  };

  Write(Transaction transaction, bool part, const Mirrors& mirrors);

  Transaction transaction_;
  bool part_;
  Mirrors mirrors_;
  uint64_t events_mark_;
  size_t cids_mark_;
  size_t blocks_mark_;
  Open open_;
};

// Makes writes, and gathers those of a batch under one commit. Lives where its database lives.
class Writer {
 public:
  // Borrows `database` and all mirrors.
  Writer(Database& database, const Mirrors& mirrors) : database_(database), mirrors_(mirrors) {}

  // Inside a batch: a part of it. Aborted (reason BATCH_UNDONE) once an error, such as a full disk
  // in the middle, has undone the batch as a whole.
  absl::StatusOr<Write> Begin();

  // As Store::BeginBatch and Store::CommitBatch.
  absl::Status BeginBatch();
  absl::Status CommitBatch();
  bool in_batch() const { return batch_.has_value(); }

 private:
  // The error of a batch that is gone.
  absl::Status Undone() const;

  Database& database_;
  Mirrors mirrors_;
  std::optional<Write> batch_;
};

}  // namespace ember::state
