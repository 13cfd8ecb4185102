#include "cli/commands/usage_text.h"

#include <fmt/format.h>

#include <optional>

#include "base/size.h"
#include "cli/json_dump.h"
#include "cli/table.h"

namespace ember::cli {
namespace {

using Item = v1::StorageUsage::Item;
using Bytes = std::optional<uint64_t>;

Bytes Provisioned(const Item& item) {
  return item.has_provisioned_bytes() ? Bytes(item.provisioned_bytes()) : std::nullopt;
}
Bytes Referenced(const Item& item) {
  return item.has_referenced_bytes() ? Bytes(item.referenced_bytes()) : std::nullopt;
}
Bytes Exclusive(const Item& item) {
  return item.has_exclusive_bytes() ? Bytes(item.exclusive_bytes()) : std::nullopt;
}
Bytes Shared(const Item& item) {
  if (!item.has_referenced_bytes() || !item.has_exclusive_bytes()) return std::nullopt;
  return item.referenced_bytes() - item.exclusive_bytes();
}

std::string Text(Bytes bytes) { return bytes.has_value() ? MibText(*bytes) : ""; }

void Put(Json& json, const char* key, Bytes bytes) {
  if (bytes.has_value()) json[key] = *bytes;
}

Json ToJson(const Item& item) {
  Json json = {{"kind", item.kind()}, {"name", item.name()}};
  Put(json, "provisioned_bytes", Provisioned(item));
  Put(json, "referenced_bytes", Referenced(item));
  Put(json, "exclusive_bytes", Exclusive(item));
  Put(json, "shared_bytes", Shared(item));
  return json;
}

Json ToJson(const v1::StorageUsage::Pool& pool) {
  Json json = {{"path", pool.path()},
               {"filesystem", OrNull(pool.filesystem())},
               {"volume_store", OrNull(pool.volume_store())}};
  if (pool.has_capacity_bytes()) json["capacity_bytes"] = pool.capacity_bytes();
  if (pool.has_allocated_bytes()) json["allocated_bytes"] = pool.allocated_bytes();
  if (pool.has_free_bytes()) json["free_bytes"] = pool.free_bytes();
  return json;
}

std::string PoolText(const v1::StorageUsage::Pool& pool) {
  std::string text =
      fmt::format("{} ({}, {})", pool.path(), pool.filesystem(), pool.volume_store());
  if (pool.has_capacity_bytes()) text += fmt::format(": {} of", MibText(pool.allocated_bytes()));
  if (pool.has_capacity_bytes()) text += fmt::format(" {} used", MibText(pool.capacity_bytes()));
  if (pool.has_free_bytes()) text += fmt::format(", {} free", MibText(pool.free_bytes()));
  return text + "\n";
}

}  // namespace

std::string MibText(uint64_t bytes) { return fmt::format("{}M", (bytes + kMiB - 1) / kMiB); }

std::string UsageText(const v1::StorageUsage& usage) {
  Table table({"KIND", "NAME", "PROVISIONED", "REFERENCED", "EXCLUSIVE", "SHARED"});
  for (const Item& item : usage.items()) {
    table.Add({item.kind(), item.name(), Text(Provisioned(item)), Text(Referenced(item)),
               Text(Exclusive(item)), Text(Shared(item))});
  }
  return PoolText(usage.pool()) + table.Text();
}

std::string UsageJsonText(const v1::StorageUsage& usage) {
  Json items = Json::array();
  for (const Item& item : usage.items()) items.push_back(ToJson(item));
  return Dump(Json{{"pool", ToJson(usage.pool())}, {"items", items}});
}

std::string PrunedText(const v1::PruneStorageResponse& pruned) {
  Table table({"KIND", "NAME", "SIZE"});
  for (const auto& removed : pruned.removed()) {
    table.Add({removed.kind(), removed.name(), MibText(removed.bytes())});
  }
  return table.Text();
}

std::string PrunedJsonText(const v1::PruneStorageResponse& pruned) {
  Json list = Json::array();
  for (const auto& removed : pruned.removed()) {
    list.push_back(
        Json{{"kind", removed.kind()}, {"name", removed.name()}, {"bytes", removed.bytes()}});
  }
  return Dump(list);
}

}  // namespace ember::cli
