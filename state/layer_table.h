#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "state/database.h"
#include "state/disk_layer.h"

namespace ember::state {

// The rows of table disk_layer. Every function is a part of the caller's transaction. Lives where
// its database lives.
class LayerTable {
 public:
  // Borrows `database`.
  explicit LayerTable(Database& database) : database_(database) {}

  // Adds a layer over `base_id` (empty: over no layer), now; its depth follows.
  absl::StatusOr<DiskLayer> Insert(std::string_view id, std::string_view format,
                                   std::string_view base_id, uint64_t size_bytes);
  // NotFound where there is none.
  absl::StatusOr<DiskLayer> Get(std::string_view id);
  // Oldest first.
  absl::StatusOr<std::vector<DiskLayer>> List();

  // Whether nothing lies over some layer.
  absl::StatusOr<bool> AnyUnused();
  // Removes those that nothing lies over, and what is thereby unused too; upper ones first.
  absl::StatusOr<std::vector<DiskLayer>> RemoveUnused();

 private:
  absl::StatusOr<std::vector<DiskLayer>> Read(std::string_view query);

  Database& database_;
};

}  // namespace ember::state
