// Forks and snapshots.
#include <unistd.h>

#include <utility>
#include <vector>

#include "daemon/rpc/convert.h"
#include "daemon/rpc/storage_service.h"
#include "daemon/rpc/timestamp.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

void Set(google::protobuf::Duration& proto, absl::Duration duration) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

ForkVmSpec FromProto(const v1::ForkVmRequest& request) {
  ForkVmSpec spec;
  spec.request_id = request.request_id();
  spec.source = request.source();
  spec.name = request.name();
  spec.vcpus = request.vcpus();
  spec.memory_mib = request.memory_mib();
  spec.disk_bytes = request.disk_bytes();
  spec.labels.insert(request.labels().begin(), request.labels().end());
  spec.start = !request.no_start();
  if (request.has_agent_wait()) spec.agent_wait = rpc::FromProto(request.agent_wait());
  spec.owner_uid = geteuid();
  return spec;
}

v1::Snapshot ToProto(const SnapshotView& view) {
  v1::Snapshot proto;
  proto.set_vm(view.vm_name);
  proto.set_name(view.snapshot.name);
  proto.set_id(view.snapshot.id);
  SetTimestamp(*proto.mutable_created_at(), view.snapshot.created_at);
  proto.set_disk_bytes(view.snapshot.disk_bytes);
  if (view.frozen.has_value()) Set(*proto.mutable_frozen(), *view.frozen);
  return proto;
}

}  // namespace

StorageService::Unary* StorageService::ForkVm(Context* context, const v1::ForkVmRequest* request,
                                              v1::ForkVmResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.ForkVm(FromProto(*request), call->cancellation(),
               call->Answer<ForkedVm>([response](const ForkedVm& forked) {
                 *response->mutable_vm() = rpc::ToProto(forked.vm);
                 if (forked.frozen.has_value()) Set(*response->mutable_frozen(), *forked.frozen);
                 response->set_full_copy(forked.full_copy);
               }));
  return call;
}

StorageService::Unary* StorageService::CreateSnapshot(Context* context,
                                                      const v1::CreateSnapshotRequest* request,
                                                      v1::Snapshot* response) {
  auto* call = new UnaryCall(*context);
  host_.CreateSnapshot(request->vm(), request->name(), call->cancellation(),
                       call->Answer<SnapshotView>(
                           [response](const SnapshotView& view) { *response = ToProto(view); }));
  return call;
}

StorageService::Unary* StorageService::ListSnapshots(Context* context,
                                                     const v1::ListSnapshotsRequest* request,
                                                     v1::ListSnapshotsResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.ListSnapshots(request->vm(), call->Answer<std::vector<SnapshotView>>(
                                         [response](const std::vector<SnapshotView>& views) {
                                           for (const SnapshotView& view : views) {
                                             *response->add_snapshots() = ToProto(view);
                                           }
                                         }));
  return call;
}

StorageService::Unary* StorageService::RestoreSnapshot(Context* context,
                                                       const v1::RestoreSnapshotRequest* request,
                                                       v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.RestoreSnapshot(
      request->vm(), request->name(), call->cancellation(),
      call->Answer<VmView>([response](const VmView& vm) { *response = rpc::ToProto(vm); }));
  return call;
}

StorageService::Unary* StorageService::DeleteSnapshot(Context* context,
                                                      const v1::DeleteSnapshotRequest* request,
                                                      v1::DeleteSnapshotResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteSnapshot(request->vm(), request->name(), call->Answer<Done>([](Done) {}));
  return call;
}

}  // namespace ember::daemon::rpc
