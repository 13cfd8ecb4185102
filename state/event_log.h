#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/event.h"

namespace ember::state {

// The table of events: numbered without a gap, bounded. Lives where its database lives.
class EventLog {
 public:
  // Borrows `database`; keeps the newest `kept` events.
  static absl::StatusOr<EventLog> Open(Database& database, uint64_t kept);

  // Adds the event (its sequence and time are set here) within the caller's transaction. Nobody can
  // read it, and it counts for nothing, before Committed.
  absl::Status Append(const Event& event);
  // To be called last in a transaction: drops the oldest beyond `kept`.
  absl::Status Prune();

  // What RollBack(Mark()) takes back is what was appended in between; Committed says that all of it
  // is on disk.
  uint64_t Mark() const { return appended_; }
  void RollBack(uint64_t mark) { appended_ = mark; }
  void Committed();

  // As Store::EventsAfter.
  absl::StatusOr<std::vector<Event>> After(uint64_t sequence, size_t limit);

  uint64_t last() const { return last_; }
  uint64_t oldest() const { return oldest_; }

 private:
  EventLog(Database& database, uint64_t kept, uint64_t last, uint64_t oldest)
      : database_(&database), kept_(kept), appended_(last), last_(last), oldest_(oldest) {}

  Database* database_;
  uint64_t kept_;
  uint64_t appended_;  // last_ and the events of the open transaction
  uint64_t last_;      // 0: none was ever stored
  uint64_t oldest_;    // last_ + 1: none is stored
};

}  // namespace ember::state
