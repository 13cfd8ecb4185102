#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/snapshot.h"

namespace ember::state {

// The rows of table snapshot. Every function is a part of the caller's transaction. Lives where its
// database lives.
class SnapshotTable {
 public:
  // Borrows `database`.
  explicit SnapshotTable(Database& database) : database_(database) {}

  // AlreadyExists (reason SNAPSHOT_EXISTS) where `vm` has one of this name.
  absl::Status Insert(const VmRecord& vm, const Snapshot& snapshot);
  absl::Status SetReady(std::string_view id, const SnapshotContent& content);
  absl::Status SetDeleting(std::string_view id);
  absl::Status Delete(std::string_view id);

  // NotFound (reason SNAPSHOT_NOT_FOUND).
  absl::StatusOr<Snapshot> GetById(std::string_view id);
  // The same, also for one that is not ready.
  absl::StatusOr<Snapshot> Get(const VmRecord& vm, std::string_view name);
  // As Store::ListSnapshots.
  absl::StatusOr<std::vector<Snapshot>> List(std::string_view vm_id);

 private:
  Database& database_;
};

}  // namespace ember::state
