// Snapshots: a disk as it was, for as long as its VM is there.
#include "daemon/snapshots.h"

#include "tests/daemon/fork_context.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;
using Disks = ForkContext::Disks;

TEST_CASE("a restore brings back what the snapshot had, as often as wanted", "[daemon][snapshot]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  context.Write("source", 'a', 1);
  const SnapshotView one = ValueOf(context.Snapshot("source", "one"));
  CHECK(one.vm_name == "source");
  CHECK(one.snapshot.disk_bytes == ForkContext::kDisk);
  CHECK_FALSE(one.frozen.has_value());
  context.Write("source", 'b', 1);
  REQUIRE_OK(context.Snapshot("source", "two"));
  context.Write("source", 'c', 1);
  CHECK(context.Snapshots("source") == "one two");

  REQUIRE_OK(context.Restore("source", "one"));
  CHECK(context.Reads("source", 'a', 1));
  context.Write("source", 'd', 1);
  REQUIRE_OK(context.Restore("source", "two"));
  CHECK(context.Reads("source", 'b', 1));
  REQUIRE_OK(context.Restore("source", "one"));
  CHECK(context.Reads("source", 'a', 1));
  context.CheckSound();

  REQUIRE_OK(context.DeleteSnapshot("source", "two"));
  REQUIRE_OK(context.DeleteSnapshot("source", "one"));
  CHECK(context.Snapshots().empty());
  CHECK(context.Reads("source", 'a', 1));
  context.CheckSound();
}

TEST_CASE("snapshots of a disk that nothing was written to share a layer", "[daemon][snapshot]") {
  ForkContext context;
  context.MakeSource();
  for (const char* name : {"one", "two", "three"}) REQUIRE_OK(context.Snapshot("source", name));
  CHECK(context.LayerFiles().size() == 1);
  context.CheckSound();
}

TEST_CASE("a VM that runs stands still for its snapshot", "[daemon][snapshot]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  REQUIRE_OK(context.Start("source"));
  CHECK(ValueOf(context.Snapshot("source", "one")).frozen.has_value());
  CHECK(context.world.AgentOf("source")->freezes == 1);
  const absl::Status running = context.Restore("source", "one").status();
  CHECK(Message(running) == "vm 'source' is running");
  CHECK(HintOf(running) == "stop it first: ember vm stop source");
  REQUIRE_OK(context.Stop("source"));
  REQUIRE_OK(context.Restore("source", "one"));
  context.CheckSound();
}

TEST_CASE("a snapshot that can't be made leaves nothing", "[daemon][snapshot]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  REQUIRE_OK(context.Start("source"));
  context.world.AgentOf("source")->thaws_early = true;
  CHECK(absl::IsDeadlineExceeded(context.Snapshot("source", "one").status()));
  CHECK(context.Snapshots().empty());
  context.world.AgentOf("source")->thaws_early = false;
  REQUIRE_OK(context.Snapshot("source", "one"));
  context.CheckSound();
}

TEST_CASE("a VM with snapshots is deleted only by force, and takes them along",
          "[daemon][snapshot]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  REQUIRE_OK(context.Snapshot("source", "one"));
  context.Write("source", 'a', 1);
  REQUIRE_OK(context.Snapshot("source", "two"));
  const absl::Status refused = context.Delete("source");
  CHECK(Message(refused) == "vm 'source' has snapshot(s): one, two");
  CHECK(ReasonOf(refused) == "IN_USE");
  CHECK(ValueOf(context.Get("source")).record.state == state::VmState::kCreated);
  REQUIRE_OK(context.Delete("source", Host::DeleteMode::kForce));
  CHECK(context.Snapshots().empty());
  context.CheckSound();
  CHECK(context.LayerFiles().empty());
}

TEST_CASE("a fork of a restored disk lives on without the VM and its snapshot",
          "[daemon][snapshot]") {
  ForkContext context;
  context.MakeSource();
  context.Write("source", 'a', 1);
  REQUIRE_OK(context.Snapshot("source", "one"));
  context.Write("source", 'b', 1);
  REQUIRE_OK(context.Restore("source", "one"));
  REQUIRE_OK(context.Fork("source", "fork"));
  REQUIRE_OK(context.Rename("source", "renamed"));
  REQUIRE_OK(context.Restore("renamed", "one"));
  REQUIRE_OK(context.Delete("renamed", Host::DeleteMode::kForce));
  CHECK(context.Reads("fork", 'a', 1));
  context.CheckSound();
}

TEST_CASE("names of snapshots follow the rules and are not given twice", "[daemon][snapshot]") {
  ForkContext context;
  context.MakeSource();
  REQUIRE_OK(context.Snapshot("source", "one"));
  CHECK(ReasonOf(context.Snapshot("source", "one").status()) == "SNAPSHOT_EXISTS");
  CHECK(ReasonOf(context.Snapshot("source", "../up").status()) == "INVALID_NAME");
  CHECK(ReasonOf(context.Restore("source", "none").status()) == "SNAPSHOT_NOT_FOUND");
  CHECK(ReasonOf(context.DeleteSnapshot("source", "none")) == "SNAPSHOT_NOT_FOUND");
  CHECK(absl::IsNotFound(context.Snapshot("nobody", "one").status()));
  // Without a name it gets one from the time.
  const std::string name = ValueOf(context.Snapshot("source", "")).snapshot.name;
  CHECK(name.starts_with("s2"));
  REQUIRE_OK(context.Restore("source", name));
  context.CheckSound();
}

TEST_CASE("a snapshot that a crash broke off is gone after the next start",
          "[daemon][snapshot][recovery]") {
  ForkContext context(Disks::kRaw);
  const VmView source = context.MakeSource();
  REQUIRE_OK(context.Snapshot("source", "kept"));
  REQUIRE_OK(context.Snapshot("source", "going"));
  context.End();
  {
    const auto store = context.OpenStore();
    state::Snapshot wanted;
    wanted.vm_id = source.record.id;
    wanted.name = "coming";
    wanted.format = "raw";
    wanted.disk_bytes = ForkContext::kDisk;
    REQUIRE_OK(store->BeginSnapshot(wanted));
    const auto going = ValueOf(store->GetSnapshot(source.record, "going"));
    REQUIRE_OK(store->BeginSnapshotRemoval(going.id));
  }
  std::filesystem::copy_file(source.record.disk.path,
                             context.VmDir("source") / "snapshot-coming.img");
  context.Begin();
  CHECK(context.Snapshots() == "kept");
  CHECK(context.DiskFiles("source").size() == 2);
  context.CheckSound();
}

}  // namespace
}  // namespace ember::daemon
