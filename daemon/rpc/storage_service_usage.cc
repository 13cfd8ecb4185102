// What disks take, and what of it may go.
#include <utility>
#include <vector>

#include "daemon/rpc/storage_service.h"
#include "daemon/rpc/unary_call.h"
#include "daemon/storage_report.h"

namespace ember::daemon::rpc {
namespace {

v1::StorageUsage::Item ToProto(const StorageItem& item) {
  v1::StorageUsage::Item proto;
  proto.set_kind(item.kind);
  proto.set_name(item.name);
  if (item.provisioned_bytes) proto.set_provisioned_bytes(*item.provisioned_bytes);
  if (item.usage.referenced_bytes) proto.set_referenced_bytes(*item.usage.referenced_bytes);
  if (item.usage.exclusive_bytes) proto.set_exclusive_bytes(*item.usage.exclusive_bytes);
  return proto;
}

v1::StorageUsage ToProto(const StorageReport& report, std::string_view volume_store) {
  v1::StorageUsage proto;
  v1::StorageUsage::Pool& pool = *proto.mutable_pool();
  pool.set_path(report.path.native());
  pool.set_volume_store(std::string(volume_store));
  if (report.pool.has_value()) {
    pool.set_filesystem(report.pool->filesystem);
    pool.set_capacity_bytes(report.pool->capacity_bytes);
    pool.set_allocated_bytes(report.pool->allocated_bytes);
    pool.set_free_bytes(report.pool->free_bytes);
  }
  for (const StorageItem& item : report.items) *proto.add_items() = ToProto(item);
  return proto;
}

v1::PruneStorageResponse ToProto(const std::vector<PrunedItem>& items) {
  v1::PruneStorageResponse proto;
  for (const PrunedItem& item : items) {
    v1::PruneStorageResponse::Removed& removed = *proto.add_removed();
    removed.set_kind(item.kind);
    removed.set_name(item.name);
    removed.set_bytes(item.bytes);
  }
  return proto;
}

}  // namespace

// The host knows which files there are; to look at them may take long, and is done apart.
StorageService::Unary* StorageService::GetStorageUsage(Context* context,
                                                       const v1::GetStorageUsageRequest*,
                                                       v1::StorageUsage* response) {
  auto* call = new UnaryCall(*context);
  const Cancellation cancellation = call->cancellation();
  auto reply = call->Answer<StorageReport>([this, response](const StorageReport& report) {
    *response = ToProto(report, host_.volume_store());
  });
  host_.ListStorage(Reply<std::vector<StorageItem>>(
      [this, cancellation, reply = std::move(reply)](auto items) mutable {
        if (!items.ok()) return reply(items.status());
        catalog_.RunApart("storage-usage", [this, cancellation, items = *std::move(items),
                                            reply = std::move(reply)]() mutable {
          reply(MeasureStorage(host_.state_dir(), std::move(items), cancellation));
        });
      }));
  return call;
}

StorageService::Unary* StorageService::PruneStorage(Context* context,
                                                    const v1::PruneStorageRequest* request,
                                                    v1::PruneStorageResponse* response) {
  auto* call = new UnaryCall(*context);
  const PruneMode mode = request->dry_run() ? PruneMode::kDryRun : PruneMode::kRemove;
  host_.PruneStorage(
      mode, call->Answer<std::vector<PrunedItem>>(
                [response](const std::vector<PrunedItem>& items) { *response = ToProto(items); }));
  return call;
}

}  // namespace ember::daemon::rpc
