#include "state/snapshot_table.h"

#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/quotable.h"
#include "state/timestamp.h"

namespace ember::state {
namespace {

constexpr std::string_view kColumns =
    "id, vm_id, name, state, format, file_name, layer_id, disk_bytes, created_at";

absl::StatusOr<Snapshot> ReadSnapshot(const Statement& row) {
  Snapshot snapshot;
  snapshot.id = row.Text(0);
  snapshot.vm_id = row.Text(1);
  snapshot.name = row.Text(2);
  const auto state = ParseSnapshotState(row.Text(3));
  if (!state.has_value()) {
    return DataLoss("snapshot '{}': unknown state '{}'", snapshot.name, row.Text(3));
  }
  snapshot.state = *state;
  snapshot.format = row.Text(4);
  snapshot.file_name = row.Text(5);
  snapshot.layer_id = row.Text(6);
  snapshot.disk_bytes = static_cast<uint64_t>(row.Int64(7));
  snapshot.created_at = FromMicros(row.Int64(8));
  return snapshot;
}

std::optional<std::string_view> NullIfEmpty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

absl::Status NoSuchSnapshot(std::string_view vm, std::string_view name) {
  return WithReason(WithHint(NotFound("vm '{}' has no snapshot '{}'", vm, Quotable(name)),
                             fmt::format("list those there are: ember snapshot list {}", vm)),
                    "SNAPSHOT_NOT_FOUND");
}

}  // namespace

std::string_view SnapshotStateName(SnapshotState state) {
  switch (state) {
    case SnapshotState::kCreating:
      return "creating";
    case SnapshotState::kReady:
      return "ready";
    case SnapshotState::kDeleting:
      return "deleting";
  }
  EMBER_CHECK(false);
}

std::optional<SnapshotState> ParseSnapshotState(std::string_view word) {
  for (const SnapshotState state :
       {SnapshotState::kCreating, SnapshotState::kReady, SnapshotState::kDeleting}) {
    if (SnapshotStateName(state) == word) return state;
  }
  return std::nullopt;
}

absl::Status SnapshotTable::Insert(const VmRecord& vm, const Snapshot& snapshot) {
  {
    ASSIGN_OR_RETURN(Statement query, database_.Prepare("SELECT state FROM snapshot"
                                                        " WHERE vm_id = ?1 AND name = ?2"));
    RETURN_IF_ERROR(query.Bind(vm.id, snapshot.name));
    ASSIGN_OR_RETURN(const bool taken, query.Next());
    if (taken) {
      return WithReason(
          WithHint(AlreadyExists("vm '{}' has a snapshot '{}' already", vm.name, snapshot.name),
                   fmt::format("choose another name, or delete it first: ember snapshot delete {} "
                               "{}",
                               vm.name, snapshot.name)),
          "SNAPSHOT_EXISTS");
    }
  }
  ASSIGN_OR_RETURN(
      Statement insert,
      database_.Prepare("INSERT INTO snapshot (id, vm_id, name, state, format, file_name, layer_id,"
                        " disk_bytes, created_at) VALUES (?1, ?2, ?3, ?4, ?5, NULL, NULL, ?6,"
                        " ?7)"));
  return insert.Run(snapshot.id, vm.id, snapshot.name, SnapshotStateName(snapshot.state),
                    snapshot.format, snapshot.disk_bytes, ToMicros(snapshot.created_at));
}

absl::Status SnapshotTable::SetReady(std::string_view id, const SnapshotContent& content) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE snapshot SET state = 'ready', file_name = ?2,"
                                     " layer_id = ?3 WHERE id = ?1"));
  return update.Run(id, NullIfEmpty(content.file_name), NullIfEmpty(content.layer_id));
}

absl::Status SnapshotTable::SetDeleting(std::string_view id) {
  ASSIGN_OR_RETURN(Statement update,
                   database_.Prepare("UPDATE snapshot SET state = 'deleting' WHERE id = ?1"));
  return update.Run(id);
}

absl::Status SnapshotTable::Delete(std::string_view id) {
  ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM snapshot WHERE id = ?1"));
  return remove.Run(id);
}

absl::StatusOr<Snapshot> SnapshotTable::GetById(std::string_view id) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format(
                                        "SELECT {} FROM snapshot WHERE id = ?1", kColumns)));
  RETURN_IF_ERROR(query.Bind(id));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return WithReason(NotFound("snapshot {} not found", id), "SNAPSHOT_NOT_FOUND");
  return ReadSnapshot(query);
}

absl::StatusOr<Snapshot> SnapshotTable::Get(const VmRecord& vm, std::string_view name) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format(
                                        "SELECT {} FROM snapshot WHERE vm_id = ?1 AND name = ?2"
                                        " AND state = 'ready'",
                                        kColumns)));
  RETURN_IF_ERROR(query.Bind(vm.id, name));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return NoSuchSnapshot(vm.name, name);
  return ReadSnapshot(query);
}

absl::StatusOr<std::vector<Snapshot>> SnapshotTable::List(std::string_view vm_id) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format(
                                        "SELECT {} FROM snapshot {} ORDER BY created_at, id",
                                        kColumns, vm_id.empty() ? "" : "WHERE vm_id = ?1")));
  RETURN_IF_ERROR(vm_id.empty() ? query.Bind() : query.Bind(vm_id));
  std::vector<Snapshot> snapshots;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Next());
    if (!row) return snapshots;
    ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(query));
    snapshots.push_back(std::move(snapshot));
  }
}

}  // namespace ember::state
