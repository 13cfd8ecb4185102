// What Host knows of everything that takes disk space, and what of it may go.
#include <algorithm>
#include <utility>

#include "backends/images/image_record.h"
#include "backends/storage/usage.h"

#include "daemon/host_decisions.h"
#include "daemon/storage_inventory.h"

namespace ember::daemon {
namespace {

std::vector<PrunedItem> ItemsOf(const images::Pruned& doomed,
                                const std::filesystem::path& state_dir, const Catalog& catalog) {
  std::vector<PrunedItem> items;
  for (const std::string& name : doomed.images) {
    const auto image = catalog.GetImage(name);
    items.push_back({"image", name, image.ok() ? image->disk_bytes : 0});
  }
  const std::filesystem::path blobs = state_dir / "images/blobs/sha256";
  for (const std::string& digest : doomed.blobs) {
    const auto bytes = storage::QuickExclusiveBytes(blobs / images::DigestHex(digest));
    items.push_back({"blob", digest, bytes.value_or(0)});
  }
  return items;
}

bool IsAmong(const images::Pruned& pruned, const PrunedItem& item) {
  const auto& names = item.kind == "image" ? pruned.images : pruned.blobs;
  return std::find(names.begin(), names.end(), item.name) != names.end();
}

}  // namespace

void Host::ListStorage(Reply<std::vector<StorageItem>> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    StorageInventory inventory(state_dir_);
    const auto add = [](const auto& rows, auto put) {
      if (rows.ok()) put(*rows);
      return rows.status();
    };
    absl::Status all;
    all.Update(add(catalog_.ListImages(), [&](auto& rows) { inventory.AddImages(rows); }));
    all.Update(add(catalog_.ListKernels(), [&](auto& rows) { inventory.AddKernels(rows); }));
    all.Update(add(store_->ListLayers(), [&](auto& rows) { inventory.AddLayers(rows); }));
    all.Update(add(store_->ListVms(), [&](auto& rows) { inventory.AddVms(rows); }));
    all.Update(add(store_->ListSnapshots(), [&](auto& rows) { inventory.AddSnapshots(rows); }));
    all.Update(add(store_->ListVolumes(), [&](auto& rows) { inventory.AddVolumes(rows); }));
    if (!all.ok()) return reply(all);
    reply(std::move(inventory).Take());
  });
}

void Host::PruneStorage(PruneMode mode, Reply<std::vector<PrunedItem>> reply) {
  // What a blob takes is known only while it is there: so a look comes first, in any case.
  PruneImages(PruneScope::kUnnamed, /*dry_run=*/true,
              Reply<images::Pruned>([this, mode, reply = std::move(reply)](auto doomed) mutable {
                sequence_.AssertCurrent();
                if (!doomed.ok()) return reply(doomed.status());
                std::vector<PrunedItem> items = ItemsOf(*doomed, state_dir_, catalog_);
                if (mode == PruneMode::kDryRun) {
                  return PruneLeftovers(mode, std::move(items), std::move(reply));
                }
                PruneImages(PruneScope::kUnnamed, /*dry_run=*/false,
                            Reply<images::Pruned>([this, mode, items = std::move(items),
                                                   reply = std::move(reply)](auto pruned) mutable {
                              sequence_.AssertCurrent();
                              if (!pruned.ok()) return reply(pruned.status());
                              std::erase_if(items, [&pruned](const PrunedItem& item) {
                                return !IsAmong(*pruned, item);
                              });
                              PruneLeftovers(mode, std::move(items), std::move(reply));
                            }));
              }));
}

void Host::PruneLeftovers(PruneMode mode, std::vector<PrunedItem> before,
                          Reply<std::vector<PrunedItem>> reply) {
  sequence_.AssertCurrent();
  pruner_.Run(mode, Reply<std::vector<PrunedItem>>(
                        [before = std::move(before), reply = std::move(reply)](auto left) mutable {
                          if (!left.ok()) return reply(left.status());
                          before.insert(before.end(), left->begin(), left->end());
                          reply(std::move(before));
                        }));
}

}  // namespace ember::daemon
