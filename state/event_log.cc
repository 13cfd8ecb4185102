#include "state/event_log.h"

#include <algorithm>

#include "base/status.h"
#include "state/timestamp.h"

namespace ember::state {
namespace {

constexpr std::string_view kInsert =
    "INSERT INTO event (time, vm_id, vm_name, kind, state, message)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

absl::StatusOr<Event> ReadEvent(const Statement& row) {
  Event event;
  event.sequence = static_cast<uint64_t>(row.Int64(0));
  event.time = FromMicros(row.Int64(1));
  event.vm_id = row.Text(2);
  event.vm_name = row.Text(3);
  event.kind = row.Text(4);
  const std::optional<VmState> state = ParseVmState(row.Text(5));
  if (!state.has_value()) {
    return DataLoss("event {}: unknown state '{}'", event.sequence, row.Text(5));
  }
  event.state = *state;
  event.message = row.Text(6);
  return event;
}

absl::Status OutOfRange(std::string_view reason, std::string_view hint,
                        const std::string& message) {
  return WithReason(WithHint(absl::Status(absl::StatusCode::kOutOfRange, message), hint), reason);
}

}  // namespace

absl::StatusOr<EventLog> EventLog::Open(Database& database, uint64_t kept) {
  ASSIGN_OR_RETURN(const int64_t last,
                   database.QueryInt64("SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
                                       " WHERE name = 'event'"));
  ASSIGN_OR_RETURN(const int64_t oldest,
                   database.QueryInt64("SELECT coalesce(min(sequence), -1) FROM event"));
  const auto newest = static_cast<uint64_t>(last);
  return EventLog(database, kept, newest, oldest < 0 ? newest + 1 : static_cast<uint64_t>(oldest));
}

absl::Status EventLog::Append(const Event& event) {
  ASSIGN_OR_RETURN(Statement insert, database_->Prepare(kInsert));
  RETURN_IF_ERROR(insert.Run(NowMicros(), event.vm_id, event.vm_name, event.kind,
                             VmStateName(event.state), event.message));
  appended_ = static_cast<uint64_t>(database_->last_row_id());
  return absl::OkStatus();
}

absl::Status EventLog::Prune() {
  if (appended_ == last_ || appended_ <= kept_) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement prune, database_->Prepare("DELETE FROM event WHERE sequence <= ?1"));
  return prune.Run(appended_ - kept_);
}

void EventLog::Committed() {
  last_ = appended_;
  if (last_ > kept_) oldest_ = std::max(oldest_, last_ - kept_ + 1);
}

absl::StatusOr<std::vector<Event>> EventLog::After(uint64_t sequence, size_t limit) {
  if (sequence > last_) {
    return OutOfRange("EVENTS_UNKNOWN", "watch from now on: ember events",
                      fmt::format("there is no event {} yet, the newest is {}", sequence, last_));
  }
  if (sequence + 1 < oldest_) {
    return OutOfRange(
        "EVENTS_PRUNED", "list what there is now (ember vm list) and watch from now on",
        fmt::format("event {} is no longer kept, the oldest is {}", sequence + 1, oldest_));
  }
  ASSIGN_OR_RETURN(Statement query,
                   database_->Prepare("SELECT sequence, time, vm_id, vm_name, kind, state, message"
                                      " FROM event WHERE sequence > ?1 AND sequence <= ?2"
                                      " ORDER BY sequence LIMIT ?3"));
  RETURN_IF_ERROR(query.Bind(sequence, last_, limit));
  std::vector<Event> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return events;
    ASSIGN_OR_RETURN(Event event, ReadEvent(query));
    events.push_back(std::move(event));
  }
}

}  // namespace ember::state
