#include "state/layer_table.h"

#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "state/timestamp.h"

namespace ember::state {
namespace {

constexpr std::string_view kColumns = "id, format, base_id, depth, size_bytes, created_at";

constexpr std::string_view kUnused =
    " FROM disk_layer AS layer"
    " WHERE NOT EXISTS (SELECT 1 FROM vm_disk_layer WHERE layer_id = layer.id)"
    " AND NOT EXISTS (SELECT 1 FROM snapshot WHERE layer_id = layer.id)"
    " AND NOT EXISTS (SELECT 1 FROM disk_layer WHERE base_id = layer.id)";

DiskLayer ReadLayer(const Statement& row) {
  DiskLayer layer;
  layer.id = row.Text(0);
  layer.format = row.Text(1);
  layer.base_id = row.Text(2);
  layer.depth = static_cast<uint32_t>(row.Int64(3));
  layer.size_bytes = static_cast<uint64_t>(row.Int64(4));
  layer.created_at = FromMicros(row.Int64(5));
  return layer;
}

}  // namespace

absl::StatusOr<DiskLayer> LayerTable::Insert(std::string_view id, std::string_view format,
                                             std::string_view base_id, uint64_t size_bytes) {
  DiskLayer layer;
  layer.id = id;
  layer.format = format;
  layer.base_id = base_id;
  layer.size_bytes = size_bytes;
  layer.created_at = FromMicros(NowMicros());
  std::optional<std::string_view> base;
  if (!base_id.empty()) {
    ASSIGN_OR_RETURN(const DiskLayer under, Get(base_id));
    layer.depth = under.depth + 1;
    base = base_id;
  }
  ASSIGN_OR_RETURN(Statement insert,
                   database_.Prepare("INSERT INTO disk_layer (id, format, base_id, depth,"
                                     " size_bytes, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  RETURN_IF_ERROR(
      insert.Run(id, format, base, layer.depth, size_bytes, ToMicros(layer.created_at)));
  return layer;
}

absl::StatusOr<DiskLayer> LayerTable::Get(std::string_view id) {
  ASSIGN_OR_RETURN(Statement query, database_.Prepare(fmt::format(
                                        "SELECT {} FROM disk_layer WHERE id = ?1", kColumns)));
  RETURN_IF_ERROR(query.Bind(id));
  ASSIGN_OR_RETURN(const bool row, query.Next());
  if (!row) return NotFound("disk layer {} is not on record", id);
  return ReadLayer(query);
}

absl::StatusOr<std::vector<DiskLayer>> LayerTable::Read(std::string_view query) {
  ASSIGN_OR_RETURN(Statement rows, database_.Prepare(query));
  RETURN_IF_ERROR(rows.Bind());
  std::vector<DiskLayer> layers;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return layers;
    layers.push_back(ReadLayer(rows));
  }
}

absl::StatusOr<std::vector<DiskLayer>> LayerTable::List() {
  return Read(fmt::format("SELECT {} FROM disk_layer ORDER BY created_at, id", kColumns));
}

absl::StatusOr<bool> LayerTable::AnyUnused() {
  ASSIGN_OR_RETURN(const int64_t any,
                   database_.QueryInt64(fmt::format("SELECT EXISTS (SELECT 1{})", kUnused)));
  return any != 0;
}

absl::StatusOr<std::vector<DiskLayer>> LayerTable::RemoveUnused() {
  std::vector<DiskLayer> removed;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<DiskLayer> unused,
                     Read(fmt::format("SELECT {}{}", kColumns, kUnused)));
    if (unused.empty()) return removed;
    for (const DiskLayer& layer : unused) {
      ASSIGN_OR_RETURN(Statement remove, database_.Prepare("DELETE FROM disk_layer WHERE id = ?1"));
      RETURN_IF_ERROR(remove.Run(layer.id));
      removed.push_back(layer);
    }
  }
}

}  // namespace ember::state
