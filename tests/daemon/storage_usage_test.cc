#include <fstream>
#include <map>

#include "base/file.h"
#include "daemon/disk_meter.h"
#include "daemon/storage_inventory.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;
using Paths = std::vector<std::filesystem::path>;

std::map<std::string, StorageItem> ByName(std::vector<StorageItem> items) {
  std::map<std::string, StorageItem> by_name;
  for (StorageItem& item : items) by_name[item.kind + " " + item.name] = std::move(item);
  return by_name;
}

state::DiskLayer Layer(const std::string& id, const std::string& base_id) {
  state::DiskLayer layer;
  layer.id = id;
  layer.format = "qcow2";
  layer.base_id = base_id;
  layer.size_bytes = 77;
  return layer;
}

state::VmRecord VmOf(const std::string& name, const std::string& layer_id) {
  state::VmRecord vm;
  vm.id = "id-" + name;
  vm.name = vm.dir_name = name;
  vm.config.image = "img";
  vm.config.disk_bytes = 99;
  vm.disk = {"/s/vms/" + name + "/disk.qcow2", "qcow2", layer_id};
  return vm;
}

// A VM whose disk lies over two layers, one that lies over the image, and one with a raw disk.
StorageInventory Inventory() {
  StorageInventory inventory("/s");
  images::ImageRecord image;
  image.name = "img";
  image.id = "sha256:1";
  image.rootfs = "/s/images/img/rootfs.ext4";
  image.size_bytes = 55;
  inventory.AddImages({image});
  inventory.AddLayers({Layer("upper", "lower"), Layer("lower", "")});
  state::VmRecord raw = VmOf("raw", "");
  raw.disk = {"/s/vms/raw/disk.img", "raw"};
  state::VmRecord bare = VmOf("bare", "");
  bare.disk = {};
  inventory.AddVms({VmOf("deep", "upper"), VmOf("flat", ""), raw, bare});
  return inventory;
}

TEST_CASE("a disk is shown with the layers and the image that it lies over", "[daemon][usage]") {
  auto items = ByName(Inventory().Take());
  CHECK(items.size() == 6);  // a VM without a disk takes nothing
  CHECK(items["vm deep"].files.own == Paths{"/s/vms/deep/disk.qcow2"});
  CHECK(items["vm deep"].files.shared ==
        Paths{"/s/layers/upper.qcow2", "/s/layers/lower.qcow2", "/s/images/img/rootfs.ext4"});
  CHECK(items["vm deep"].provisioned_bytes == uint64_t{99});
  CHECK(items["vm flat"].files.shared == Paths{"/s/images/img/rootfs.ext4"});
  CHECK(items["vm raw"].files.shared.empty());  // its extents say what it shares
  CHECK(items["layer upper"].files.shared == Paths{"/s/layers/lower.qcow2"});
  CHECK(items["image img"].provisioned_bytes == uint64_t{55});
}

TEST_CASE("snapshots and volumes are shown with their files", "[daemon][usage]") {
  StorageInventory inventory = Inventory();
  state::Snapshot file;
  file.vm_id = "id-raw";
  file.name = "before";
  file.state = state::SnapshotState::kReady;
  file.file_name = "snapshot-1.img";
  state::Snapshot layer = file;
  layer.vm_id = "id-deep";
  layer.file_name = "";
  layer.layer_id = "lower";
  state::Snapshot unfinished = file;
  unfinished.name = "half";
  unfinished.state = state::SnapshotState::kCreating;
  inventory.AddSnapshots({file, layer, unfinished});
  state::DataVolume volume;
  volume.name = "data";
  volume.size_bytes = 11;
  inventory.AddVolumes({volume});
  auto items = ByName(std::move(inventory).Take());
  CHECK(items.size() == 9);
  CHECK(items["snapshot raw/before"].files.own == Paths{"/s/vms/raw/snapshot-1.img"});
  CHECK(items["snapshot deep/before"].files.own.empty());
  CHECK(items["snapshot deep/before"].files.shared ==
        Paths{"/s/layers/lower.qcow2", "/s/images/img/rootfs.ext4"});
  CHECK(items["volume data"].files.own == Paths{"/s/volumes/data.img"});
}

TEST_CASE("layers that form a ring are no reason to hang", "[daemon][usage]") {
  StorageInventory inventory("/s");
  inventory.AddLayers({Layer("one", "two"), Layer("two", "one")});
  CHECK(std::move(inventory).Take().size() == 2);
}

TEST_CASE("a report leaves out what can't be read", "[daemon][usage]") {
  testing::TempDir dir;
  std::ofstream(dir / "disk") << std::string(8192, 'x');
  const StorageReport report = ValueOf(MeasureStorage(
      dir.path(),
      {{"vm", "there", 99, {{dir / "disk"}}}, {"vm", "gone", std::nullopt, {{dir / "gone"}}}},
      HostContext::Soon()));
  REQUIRE(report.items.size() == 2);
  CHECK(report.items[0].usage.referenced_bytes.value_or(0) >= 8192);
  CHECK(report.items[1].usage == storage::Usage{});
  REQUIRE(report.pool.has_value());
  CHECK(report.pool->capacity_bytes >= report.pool->free_bytes);
}

TEST_CASE("a report ends when it is cancelled", "[daemon][usage]") {
  std::stop_source stop;
  stop.request_stop();
  const auto report = MeasureStorage("/", {{"vm", "a", 1, {}}}, {stop.get_token(), {}});
  CHECK(absl::IsCancelled(report.status()));
}

TEST_CASE("a list has what each disk takes, where that is known", "[daemon][usage]") {
  testing::TempDir dir;
  std::ofstream(dir / "disk") << std::string(1 << 20, 'x');
  DiskMeter meter;
  std::vector<VmView> vms(3);
  vms[0].record.disk.path = (dir / "disk").native();
  vms[1].record.disk.path = (dir / "gone").native();
  const auto measure = [&] {
    Awaited<std::vector<VmView>> measured;
    meter.Measure(vms, measured.reply());
    return ValueOf(measured.Wait(HostContext::Soon(), "disks"));
  };
  std::vector<VmView> seen = measure();
  REQUIRE(seen.size() == 3);
  if (!seen[0].used_bytes.has_value()) EMBER_SKIP("/tmp does not tell what a file takes");
  CHECK(*seen[0].used_bytes <= 2 << 20);
  CHECK_FALSE(seen[1].used_bytes.has_value());
  CHECK_FALSE(seen[2].used_bytes.has_value());
  // What was kept is of no more use once the file has changed.
  std::filesystem::resize_file(dir / "disk", 0);
  CHECK(measure()[0].used_bytes == uint64_t{0});
}

// Of everything that a host has, with a directory that no row knows.
struct PruneContext : HostContext {
  PruneContext() : HostContext({.needs_kernel = true}) {
    AddImage("img");
    AddKernel("k");
    CreateVmSpec spec = Spec("web");
    spec.image = "img";
    spec.start = false;
    ValueOf(Create(spec));
    REQUIRE_OK(MakeDirectories(VmDir("left"), 0700));
    REQUIRE_OK(WriteFileAtomically(VmDir("left") / "disk.qcow2", "x", 0600));
  }
  std::vector<PrunedItem> Prune(PruneMode mode) {
    Awaited<std::vector<PrunedItem>> pruned;
    host().PruneStorage(mode, pruned.reply());
    return ValueOf(pruned.Wait(Soon(), "prune"));
  }
};

TEST_CASE("a prune removes what no row knows, and nothing else", "[daemon][usage]") {
  PruneContext context;
  const auto would = context.Prune(PruneMode::kDryRun);
  REQUIRE(would.size() == 1);
  CHECK(would[0].kind == "leftover");
  CHECK(would[0].name == context.VmDir("left").native());
  CHECK(std::filesystem::exists(context.VmDir("left")));
  CHECK(context.Prune(PruneMode::kRemove) == would);
  CHECK_FALSE(std::filesystem::exists(context.VmDir("left")));
  CHECK(std::filesystem::exists(context.VmDir("web")));
  CHECK(context.Prune(PruneMode::kRemove).empty());
}

TEST_CASE("a host lists everything that takes space", "[daemon][usage]") {
  PruneContext context;
  Awaited<std::vector<StorageItem>> listed;
  context.host().ListStorage(listed.reply());
  auto items = ByName(ValueOf(listed.Wait(HostContext::Soon(), "storage")));
  CHECK(items.size() == 3);
  CHECK(items.contains("image img"));
  CHECK(items.contains("vm web"));
  CHECK_FALSE(items["kernel k"].files.own.empty());
}

}  // namespace
}  // namespace ember::daemon
