// Layers, forks and snapshots as rows.
#include "state/store.h"
#include "tests/state/store_context.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::state {
namespace {

using testing::ValueOf;

constexpr char kLayerA[] = "layer-a";
constexpr char kLayerB[] = "layer-b";

struct DiskContext : StoreContext {
  // A VM that was created with a disk of 1 GiB.
  VmRecord CreateWithDisk(std::string_view name) {
    NewVm vm;
    vm.name = name;
    vm.config.image = "debian";
    vm.config.disk_bytes = uint64_t{1} << 30;
    const std::string id = ValueOf(store->CreateVm(vm)).vm.id;
    const DiskRow disk{"/vms/" + std::string(name) + "/disk.qcow2", "qcow2"};
    return ValueOf(store->SetDisk(id, disk, To(VmState::kCreated)));
  }

  VmRecord BeginFork(const VmRecord& source, std::string_view name) {
    NewVm vm;
    vm.name = name;
    vm.config = source.config;
    vm.parent = VmParent{source.id, source.name};
    return ValueOf(store->CreateVm(vm)).vm;
  }

  static DiskSplit SplitTo(std::string layer, std::string path) {
    return {layer, {std::move(path), "qcow2", layer}};
  }

  Snapshot BeginSnapshot(const VmRecord& vm, std::string name) {
    Snapshot wanted;
    wanted.vm_id = vm.id;
    wanted.name = std::move(name);
    wanted.format = "qcow2";
    wanted.disk_bytes = vm.config.disk_bytes;
    return ValueOf(store->BeginSnapshot(wanted));
  }

  std::string LastKind() {
    return ValueOf(store->EventsAfter(store->LastSequence() - 1, 1)).front().kind;
  }
};

TEST_CASE("a fork is recorded with what its source's disk has become", "[state][disks]") {
  DiskContext context;
  const VmRecord source = context.CreateWithDisk("source");
  const VmRecord begun = context.BeginFork(source, "fork");
  CHECK(begun.parent == VmParent{source.id, "source"});
  const ForkRecords records = ValueOf(context.store->RecordFork(
      begun.id, {"/vms/fork/disk.qcow2", "qcow2", kLayerA}, context.To(VmState::kCreated),
      source.id, context.SplitTo(kLayerA, "/vms/source/disk-1.qcow2")));
  CHECK(records.source.disk == DiskRow{"/vms/source/disk-1.qcow2", "qcow2", kLayerA});
  CHECK(records.vm.disk == DiskRow{"/vms/fork/disk.qcow2", "qcow2", kLayerA});
  CHECK(records.vm.state == VmState::kCreated);
  const DiskLayer layer = ValueOf(context.store->GetLayer(kLayerA));
  CHECK(layer.depth == 1);
  CHECK(layer.base_id.empty());
  CHECK(layer.format == "qcow2");
  CHECK(layer.size_bytes == source.config.disk_bytes);
  context.Reopen();
  CHECK(ValueOf(context.store->GetVm("fork")) == records.vm);
  CHECK(ValueOf(context.store->GetVm("source")) == records.source);
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("a fork that can't be recorded changes nothing of its source", "[state][disks]") {
  DiskContext context;
  const VmRecord source = context.CreateWithDisk("source");
  const uint64_t events = context.store->LastSequence();
  const auto refused = context.store->RecordFork(
      "no such id", {"/disk", "qcow2", kLayerA}, context.To(VmState::kCreated), source.id,
      context.SplitTo(kLayerA, "/vms/source/disk-1.qcow2"));
  CHECK(ReasonOf(refused.status()) == "VM_NOT_FOUND");
  CHECK(ValueOf(context.store->GetVm("source")) == source);
  CHECK(ValueOf(context.store->ListLayers()).empty());
  CHECK(context.store->LastSequence() == events);
}

TEST_CASE("layers go when nothing lies over them, the upper ones first", "[state][disks]") {
  DiskContext context;
  const VmRecord source = context.CreateWithDisk("source");
  REQUIRE_OK(context.store->RecordSplit(source.id, context.SplitTo(kLayerA, "/1")));
  REQUIRE_OK(context.store->RecordSplit(source.id, context.SplitTo(kLayerB, "/2")));
  CHECK(ValueOf(context.store->GetLayer(kLayerB)).depth == 2);
  CHECK(ValueOf(context.store->GetLayer(kLayerB)).base_id == kLayerA);
  CHECK(ValueOf(context.store->DropUnusedLayers()).empty());

  const VmRecord flat = ValueOf(context.store->ReplaceDisk(
      source.id, {"/2", "qcow2"}, "disk-flattened", "it lay over 2 layers"));
  CHECK(flat.disk.layer_id.empty());
  CHECK(context.LastKind() == "disk-flattened");
  CHECK(ValueOf(context.store->CheckRows()).front().kind == "layer-unused");
  const std::vector<DiskLayer> dropped = ValueOf(context.store->DropUnusedLayers());
  REQUIRE(dropped.size() == 2);
  CHECK(dropped[0].id == kLayerB);
  CHECK(dropped[1].id == kLayerA);
  CHECK(ValueOf(context.store->CheckRows()).empty());
}

TEST_CASE("the layer that a VM lay over alone is unused when it is deleted", "[state][disks]") {
  DiskContext context;
  const VmRecord source = context.CreateWithDisk("source");
  REQUIRE_OK(context.store->RecordSplit(source.id, context.SplitTo(kLayerA, "/1")));
  context.Delete(source);
  CHECK(ValueOf(context.store->DropUnusedLayers()).size() == 1);
}

TEST_CASE("a parent that is gone is still known by its name then", "[state][disks]") {
  DiskContext context;
  const VmRecord source = context.CreateWithDisk("source");
  const VmRecord fork = context.BeginFork(source, "fork");
  context.Delete(source);
  CHECK(ValueOf(context.store->GetVm("fork")).parent == VmParent{source.id, "source"});
  CHECK(ValueOf(context.store->GetVm("fork")) == fork);
}

TEST_CASE("a snapshot is one from its intent to its end", "[state][snapshots]") {
  DiskContext context;
  const VmRecord vm = context.CreateWithDisk("web");
  const Snapshot begun = context.BeginSnapshot(vm, "one");
  CHECK(begun.state == SnapshotState::kCreating);
  CHECK(ReasonOf(context.store->GetSnapshot(vm, "one").status()) == "SNAPSHOT_NOT_FOUND");
  CHECK(ValueOf(context.store->CheckRows()).front().kind == "snapshot-unfinished");

  const SnapshotRecords made = ValueOf(context.store->FinishSnapshot(
      begun.id, {"", kLayerA}, context.SplitTo(kLayerA, "/vms/web/disk-1.qcow2")));
  CHECK(made.vm.disk.layer_id == kLayerA);
  CHECK(made.snapshot.layer_id == kLayerA);
  CHECK(made.snapshot.state == SnapshotState::kReady);
  CHECK(context.LastKind() == "snapshot-created");
  CHECK(ValueOf(context.store->GetSnapshot(vm, "one")) == made.snapshot);
  // It holds its layer by itself.
  REQUIRE_OK(context.store->ReplaceDisk(vm.id, {"/other", "qcow2"}, "", ""));
  CHECK(ValueOf(context.store->DropUnusedLayers()).empty());

  REQUIRE_OK(context.store->BeginSnapshotRemoval(begun.id));
  CHECK(absl::IsNotFound(context.store->GetSnapshot(vm, "one").status()));
  REQUIRE_OK(context.store->RemoveSnapshot(begun.id));
  CHECK(context.LastKind() == "snapshot-deleted");
  CHECK(ValueOf(context.store->ListSnapshots()).empty());
  CHECK(ValueOf(context.store->DropUnusedLayers()).size() == 1);
  CHECK(absl::IsNotFound(context.store->RemoveSnapshot(begun.id)));
}

TEST_CASE("a snapshot that is a file of its own needs no layer", "[state][snapshots]") {
  DiskContext context;
  const VmRecord vm = context.CreateWithDisk("web");
  const Snapshot begun = context.BeginSnapshot(vm, "one");
  const SnapshotRecords made =
      ValueOf(context.store->FinishSnapshot(begun.id, {"snapshot-1.img", ""}, std::nullopt));
  CHECK(made.snapshot.file_name == "snapshot-1.img");
  CHECK(made.vm.disk == vm.disk);
  // Content that is neither or both is refused by the file itself.
  const Snapshot other = context.BeginSnapshot(vm, "two");
  CHECK_FALSE(context.store->FinishSnapshot(other.id, {"", ""}, std::nullopt).ok());
  CHECK_FALSE(context.store->FinishSnapshot(other.id, {"a/b", ""}, std::nullopt).ok());
}

TEST_CASE("names of snapshots are unique in their VM, and snapshots go with it",
          "[state][snapshots]") {
  DiskContext context;
  const VmRecord one = context.CreateWithDisk("one");
  const VmRecord two = context.CreateWithDisk("two");
  context.BeginSnapshot(one, "same");
  context.BeginSnapshot(two, "same");
  Snapshot again;
  again.vm_id = one.id;
  again.name = "same";
  again.format = "raw";
  again.disk_bytes = 512;
  CHECK(ReasonOf(context.store->BeginSnapshot(again).status()) == "SNAPSHOT_EXISTS");
  context.Delete(one);
  CHECK(ValueOf(context.store->ListSnapshots()).size() == 1);
  CHECK(ValueOf(context.store->ListSnapshots(two.id)).size() == 1);
}

TEST_CASE("a broken chain of layers is told of", "[state][row_check]") {
  DiskContext context;
  const VmRecord vm = context.CreateWithDisk("web");
  REQUIRE_OK(context.store->RecordSplit(vm.id, context.SplitTo(kLayerA, "/1")));
  REQUIRE_OK(context.store->RecordSplit(vm.id, context.SplitTo(kLayerB, "/2")));
  REQUIRE_OK(
      context.OpenRaw()->Execute("UPDATE disk_layer SET depth = 5 WHERE base_id IS NOT NULL;"
                                 "UPDATE vm SET disk_format = 'raw';"));
  context.Reopen();
  const std::vector<RowAnomaly> found = ValueOf(context.store->CheckRows());
  REQUIRE(found.size() == 2);
  CHECK(found[0] ==
        RowAnomaly{"layer-depth", {}, "disk layer layer-b has depth 5, the one under it 1"});
  CHECK(found[1] == RowAnomaly{"layer-format",
                               {"web"},
                               "vm 'web' lies over disk layer layer-b, but its own disk is raw"});
}

}  // namespace
}  // namespace ember::state
