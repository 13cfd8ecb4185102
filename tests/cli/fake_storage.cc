#include "tests/cli/fake_storage.h"

namespace ember::testing {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

grpc::Status FakeStorage::GetStorageUsage(Context*, const v1::GetStorageUsageRequest*,
                                          v1::StorageUsage* usage) {
  v1::StorageUsage::Pool* pool = usage->mutable_pool();
  pool->set_path("/srv/ember");
  pool->set_filesystem("xfs");
  pool->set_volume_store("reflink");
  pool->set_capacity_bytes(1000 * kMiB);
  pool->set_allocated_bytes(400 * kMiB);
  pool->set_free_bytes(600 * kMiB);
  v1::StorageUsage::Item* vm = usage->add_items();
  vm->set_kind("vm");
  vm->set_name("dev");
  vm->set_provisioned_bytes(8192 * kMiB);
  vm->set_referenced_bytes(300 * kMiB);
  vm->set_exclusive_bytes(20 * kMiB);
  v1::StorageUsage::Item* unknown = usage->add_items();
  unknown->set_kind("image");
  unknown->set_name("debian");
  unknown->set_referenced_bytes(280 * kMiB);
  return grpc::Status::OK;
}

grpc::Status FakeStorage::PruneStorage(Context*, const v1::PruneStorageRequest* request,
                                       v1::PruneStorageResponse* response) {
  v1::PruneStorageResponse::Removed* removed = response->add_removed();
  removed->set_kind("leftover");
  removed->set_name(request->dry_run() ? "/would" : "/did");
  removed->set_bytes(3 * kMiB);
  return grpc::Status::OK;
}

}  // namespace ember::testing
