// Forks: what they share, what they promise, and what is left when they fail.
#include "daemon/vm_forker.h"

#include <algorithm>

#include "backends/storage/layer_files.h"
#include "base/subprocess.h"
#include "tests/daemon/fork_context.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::daemon {
namespace {

using testing::ValueOf;
using Disks = ForkContext::Disks;

TEST_CASE("a fork has its source's configuration and an identity of its own", "[daemon][fork]") {
  ForkContext context;
  CreateVmSpec made = HostContext::Spec("source");
  made.image = "debian";
  made.vcpus = 2;
  made.memory_mib = 256;
  made.disk_bytes = ForkContext::kDisk;
  made.labels = {{"team", "core"}};
  made.autostart = true;
  made.ttl = absl::Hours(1);
  made.restart_policy = state::RestartPolicy::kAlways;
  made.boot_args = "quiet";
  made.start = false;
  const VmView source = ValueOf(context.Create(made));

  const ForkedVm fork = ValueOf(context.Fork("source", "fork"));
  const state::VmRecord& record = fork.vm.record;
  CHECK(record.state == state::VmState::kCreated);
  CHECK(record.parent == state::VmParent{source.record.id, "source"});
  CHECK(record.id != source.record.id);
  CHECK(record.guest_cid == source.record.guest_cid + 1);
  state::VmConfig expected = source.record.config;
  expected.autostart = false;
  expected.ttl.reset();
  CHECK(record.config == expected);
  CHECK_FALSE(record.expiry.has_value());
  CHECK_FALSE(fork.frozen.has_value());
  CHECK_FALSE(fork.full_copy);

  ForkVmSpec spec = ForkContext::ForkSpec("source", "other");
  spec.vcpus = 1;
  spec.memory_mib = 128;
  spec.disk_bytes = 2 * ForkContext::kDisk;
  spec.labels = {{"task", "1"}};
  const state::VmConfig other = ValueOf(context.Fork(spec)).vm.record.config;
  CHECK(other.vcpus == 1);
  CHECK(other.memory_mib == 128);
  CHECK(other.disk_bytes == 2 * ForkContext::kDisk);
  CHECK(other.labels == spec.labels);
  context.CheckSound();
}

TEST_CASE("a fork has what its source had, and neither sees what the other writes",
          "[daemon][fork]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  context.Write("source", 'a', 1);
  REQUIRE_OK(context.Fork("source", "fork"));
  CHECK(context.Reads("fork", 'a', 1));
  context.Write("source", 'b', 1);
  context.Write("fork", 'c', 2);
  CHECK(context.Reads("fork", 'a', 1));
  CHECK(context.Reads("source", 'b', 1));
  CHECK(context.Reads("source", '\0', 2));
  // Without its source it is whole.
  REQUIRE_OK(context.Delete("source"));
  CHECK(context.Reads("fork", 'a', 1));
  CHECK(context.Reads("fork", 'c', 2));
  context.CheckSound();
  REQUIRE_OK(context.Delete("fork"));
  context.Restart();
  CHECK(context.LayerFiles().empty());
}

TEST_CASE("forks of a VM that is off lie next to each other", "[daemon][fork]") {
  ForkContext context;
  context.MakeSource();
  // Nothing was written yet: over the image itself.
  REQUIRE_OK(context.Fork("source", "early"));
  CHECK(context.LayerFiles().empty());
  context.Write("source", 'a', 1);
  constexpr int kForks = 100;
  std::vector<Awaited<ForkedVm>> forks;
  for (int i = 0; i < kForks; ++i) {
    forks.push_back(context.BeginFork(ForkContext::ForkSpec("source", fmt::format("fork-{}", i))));
  }
  for (auto& fork : forks) REQUIRE_OK(fork.Wait(HostContext::Soon(), "fork"));
  CHECK(context.LayerFiles().size() == 1);
  CHECK(context.DepthOf("fork-99") == 1);
  CHECK(context.DepthOf("source") == 1);
  CHECK(context.Reads("fork-99", 'a', 1));
  CHECK(context.Reads("early", '\0', 1));
  context.CheckSound();
}

TEST_CASE("a long line of forks is kept short", "[daemon][fork]") {
  ForkContext context;
  context.MakeSource("vm-0");
  constexpr int kForks = 100;
  for (int i = 0; i < kForks; ++i) {
    const std::string from = fmt::format("vm-{}", i);
    context.Write(from, static_cast<char>('A' + i % 50), static_cast<uint64_t>(i % 50));
    REQUIRE_OK(context.Fork(from, fmt::format("vm-{}", i + 1)));
  }
  // In the background, so not at once; until then the disk may be locked.
  while (context.DepthOf("vm-100") > kDeepestAtRest) {
    REQUIRE_OK(context.AwaitEvent("vm-100", "disk-flattened"));
  }
  // Each writer's word stands in all that came after it, until somebody wrote over it.
  for (uint64_t mib = 0; mib < 50; ++mib) {
    CHECK(context.Reads("vm-100", static_cast<char>('A' + static_cast<int>(mib)), mib));
  }
  context.CheckSound();
}

TEST_CASE("a VM that runs stands still while its disk is split, and goes on over the layer",
          "[daemon][fork]") {
  ForkContext context;
  context.MakeSource();
  context.Write("source", 'a', 1);
  REQUIRE_OK(context.Start("source"));
  const bool paused = GENERATE(false, true);
  if (paused) REQUIRE_OK(context.Pause("source"));
  const std::string before = ValueOf(context.Get("source")).record.disk.path;

  const ForkedVm fork = ValueOf(context.Fork("source", "fork"));
  CHECK(fork.frozen.has_value());
  CHECK(context.world.AgentOf("source")->freezes == 1);
  CHECK_FALSE(context.world.AgentOf("source")->frozen);
  const state::VmRecord source = ValueOf(context.Get("source")).record;
  CHECK(source.state == (paused ? state::VmState::kPaused : state::VmState::kRunning));
  CHECK(source.disk.path != before);
  CHECK(context.world.ActiveDiskOf("source") == source.disk.path);
  CHECK(source.disk.layer_id == fork.vm.record.disk.layer_id);
  CHECK(context.Reads("fork", 'a', 1));
  context.CheckSound();
}

TEST_CASE("the disk of a VM that runs is cloned while it stands still", "[daemon][fork]") {
  ForkContext context(Disks::kRaw);
  context.MakeSource();
  REQUIRE_OK(context.Start("source"));
  context.disks.gate.Close();
  Awaited<ForkedVm> fork = context.BeginFork(ForkContext::ForkSpec("source", "fork"));
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  CHECK(context.world.AgentOf("source")->frozen);
  context.disks.gate.Open();
  CHECK(ValueOf(fork.Wait(HostContext::Soon(), "fork")).frozen.has_value());
  CHECK_FALSE(context.world.AgentOf("source")->frozen);
  context.CheckSound();
}

TEST_CASE("a freeze that did not last makes no fork, and the source goes on", "[daemon][fork]") {
  ForkContext context(GENERATE(Disks::kRaw, Disks::kOverlays));
  context.MakeSource();
  REQUIRE_OK(context.Start("source"));
  context.world.AgentOf("source")->thaws_early = true;
  const auto fork = context.Fork("source", "fork");
  CHECK(absl::IsDeadlineExceeded(fork.status()));
  CHECK(absl::IsNotFound(context.Get("fork").status()));
  CHECK_FALSE(std::filesystem::exists(context.VmDir("fork")));
  const state::VmRecord source = ValueOf(context.Get("source")).record;
  CHECK(source.state == state::VmState::kRunning);
  CHECK(context.world.ActiveDiskOf("source") == source.disk.path);
  context.CheckSound();
}

TEST_CASE("a machine that keeps its disk makes no fork and leaves nothing", "[daemon][fork]") {
  ForkContext context;
  const std::string disk = context.MakeSource().record.disk.path;
  REQUIRE_OK(context.Start("source"));
  context.world.FailDisks(absl::InternalError("no switch"));
  CHECK_FALSE(context.Fork("source", "fork").ok());
  context.world.FailDisks(absl::OkStatus());
  CHECK(ValueOf(context.Get("source")).record.disk.path == disk);
  CHECK(context.LayerFiles().empty());
  CHECK(context.DiskFiles("source").size() == 1);
  REQUIRE_OK(context.Fork("source", "fork"));
  context.CheckSound();
}

TEST_CASE("a split that a crash kept from its row is found again", "[daemon][fork][recovery]") {
  ForkContext context;
  const VmView source = context.MakeSource();
  REQUIRE_OK(context.Start("source"));
  context.End();
  // What a daemon does up to the machine's switch, and no further.
  const storage::LayerFiles layers(context.state_dir() / "layers");
  const std::string layer = "01234567-89ab-7def-8123-456789abcdef";
  REQUIRE_OK(layers.Link({source.record.disk.path, storage::VolumeFormat::kQcow2, 0}, layer));
  const storage::Volume top = ValueOf(
      layers.Overlay(layer, "qcow2", {context.VmDir("source"), "disk-top"}, ForkContext::kDisk));
  context.world.SwitchDiskOf("source", top.path);
  context.Begin();
  const state::DiskRow disk = ValueOf(context.Get("source")).record.disk;
  CHECK(disk == state::DiskRow{top.path.native(), "qcow2", layer});
  CHECK(context.DiskFiles("source") == std::set<std::string>{"disk-top.qcow2"});
  CHECK(context.LayerFiles() == std::set<std::string>{layer + ".qcow2"});
  context.CheckSound();
}

TEST_CASE("what a machine wrote over a layer before it ended is kept", "[daemon][fork][recovery]") {
  ForkContext context;
  const VmView source = context.MakeSource();
  context.Write("source", 'a', 1);
  context.End();
  const storage::LayerFiles layers(context.state_dir() / "layers");
  REQUIRE_OK(layers.Link({source.record.disk.path, storage::VolumeFormat::kQcow2, 0}, "lost"));
  const storage::Volume top = ValueOf(
      layers.Overlay("lost", "qcow2", {context.VmDir("source"), "disk-top"}, ForkContext::kDisk));
  REQUIRE_OK(RunToolForOutput({"qemu-io", "-f", "qcow2", "-c", "write -q -P 98 2M 1M", top.path},
                              HostContext::Soon()));
  context.Begin();
  CHECK(ValueOf(context.Get("source")).record.disk.path == top.path);
  CHECK(context.Reads("source", 'a', 1));
  CHECK(context.Reads("source", 'b', 2));
  CHECK(context.DiskFiles("source") == std::set<std::string>{"disk-top.qcow2"});
  context.CheckSound();
}

TEST_CASE("files of a split that no machine uses go with the next start",
          "[daemon][fork][recovery]") {
  ForkContext context;
  const VmView source = context.MakeSource();
  context.End();
  const storage::LayerFiles layers(context.state_dir() / "layers");
  REQUIRE_OK(layers.Link({source.record.disk.path, storage::VolumeFormat::kQcow2, 0}, "left"));
  REQUIRE_OK(
      layers.Overlay("left", "qcow2", {context.VmDir("source"), "disk-left"}, ForkContext::kDisk));
  context.Begin();
  CHECK(context.LayerFiles().empty());
  CHECK(context.DiskFiles("source") == std::set<std::string>{"disk.qcow2"});
  CHECK(ValueOf(context.Get("source")).record.disk == source.record.disk);
  context.CheckSound();
}

TEST_CASE("who starts or deletes a VM waits for the fork that is under way", "[daemon][fork]") {
  ForkContext context(Disks::kRaw);
  context.MakeSource();
  context.disks.gate.Close();
  Awaited<ForkedVm> fork = context.BeginFork(ForkContext::ForkSpec("source", "fork"));
  REQUIRE_OK(context.disks.gate.AwaitSomebody());
  const bool starts = GENERATE(true, false);
  Awaited<VmView> start;
  if (starts) context.host().StartVm("source", absl::ZeroDuration(), {}, start.reply());
  Awaited<Done> removal;
  if (!starts) {
    context.host().DeleteVm("source", Host::DeleteMode::kStoppedOnly, removal.reply());
  }
  context.Settle();
  CHECK(ValueOf(context.Get("source")).record.state == state::VmState::kCreated);
  context.disks.gate.Open();
  REQUIRE_OK(fork.Wait(HostContext::Soon(), "fork"));
  if (starts) REQUIRE_OK(start.Wait(HostContext::Soon(), "start"));
  if (!starts) REQUIRE_OK(removal.Wait(HostContext::Soon(), "delete"));
  CHECK(ValueOf(context.Get("fork")).record.state == state::VmState::kCreated);
  context.CheckSound();
}

TEST_CASE("a fork that is refused says why and leaves nothing", "[daemon][fork]") {
  ForkContext context;
  context.MakeSource();
  const auto refused = [&context](ForkVmSpec spec) { return context.Fork(spec).status(); };
  CHECK(absl::IsNotFound(refused(ForkContext::ForkSpec("nobody", "fork"))));
  CHECK(absl::IsAlreadyExists(refused(ForkContext::ForkSpec("source", "source"))));
  CHECK(absl::IsInvalidArgument(refused(ForkContext::ForkSpec("source", "Fork"))));
  ForkVmSpec small = ForkContext::ForkSpec("source", "fork");
  small.disk_bytes = ForkContext::kDisk / 2;
  CHECK(Message(refused(small)).find("smaller than that of vm 'source'") != std::string::npos);
  ForkVmSpec wide = ForkContext::ForkSpec("source", "fork");
  wide.vcpus = 64;
  CHECK(absl::IsInvalidArgument(refused(wide)));
  std::stop_source stop;
  stop.request_stop();
  const auto cancelled =
      context.Fork(ForkContext::ForkSpec("source", "fork"), Cancellation{stop.get_token(), {}});
  CHECK(absl::IsCancelled(cancelled.status()));
  CHECK(context.List().size() == 1);
  context.CheckSound();
}

TEST_CASE("a clone that fails undoes the fork", "[daemon][fork]") {
  ForkContext context(Disks::kRaw);
  context.MakeSource();
  context.disks.fail = true;
  CHECK(absl::IsResourceExhausted(context.Fork("source", "fork").status()));
  CHECK(context.List().size() == 1);
  context.disks.fail = false;
  REQUIRE_OK(context.Fork("source", "fork"));
  context.CheckSound();
}

TEST_CASE("the same request forks once, also when its source is gone", "[daemon][fork]") {
  ForkContext context;
  context.MakeSource();
  ForkVmSpec spec = ForkContext::ForkSpec("source", "fork");
  spec.request_id = "once";
  Awaited<ForkedVm> first = context.BeginFork(spec);
  Awaited<ForkedVm> second = context.BeginFork(spec);
  const std::string id = ValueOf(first.Wait(HostContext::Soon(), "fork")).vm.record.id;
  CHECK(ValueOf(second.Wait(HostContext::Soon(), "fork")).vm.record.id == id);
  REQUIRE_OK(context.Delete("source"));
  CHECK(ValueOf(context.Fork(spec)).vm.record.id == id);
  spec.name = "other";
  CHECK_FALSE(context.Fork(spec).ok());
  context.CheckSound();
}

TEST_CASE("a fork may be started at once, and be forked and renamed itself", "[daemon][fork]") {
  ForkContext context;
  context.MakeSource();
  context.Write("source", 'a', 3);
  ForkVmSpec spec = ForkContext::ForkSpec("source", "fork");
  spec.start = true;
  const ForkedVm fork = ValueOf(context.Fork(spec));
  CHECK(fork.vm.record.state == state::VmState::kRunning);
  CHECK(fork.vm.agent == AgentState::kReady);
  CHECK(context.world.ActiveDiskOf("fork") == fork.vm.record.disk.path);
  REQUIRE_OK(context.Stop("fork"));
  REQUIRE_OK(context.Rename("fork", "renamed"));
  REQUIRE_OK(context.Rename("source", "origin"));
  CHECK(context.Reads("renamed", 'a', 3));
  CHECK(ValueOf(context.Fork("renamed", "third")).vm.record.parent->name == "renamed");
  CHECK(context.Reads("third", 'a', 3));
  CHECK(ValueOf(context.Get("renamed")).record.parent->name == "source");
  context.CheckSound();
}

TEST_CASE("a VM without a disk is forked too", "[daemon][fork]") {
  HostContext context;
  REQUIRE_OK(context.Create("source"));
  Awaited<ForkedVm> answer;
  ForkVmSpec spec;
  spec.source = "source";
  spec.name = "fork";
  context.host().ForkVm(spec, {}, answer.reply());
  CHECK(ValueOf(answer.Wait(HostContext::Soon(), "fork")).vm.record.state ==
        state::VmState::kRunning);
  Awaited<SnapshotView> snapshot;
  context.host().CreateSnapshot("source", "one", {}, snapshot.reply());
  CHECK(absl::IsFailedPrecondition(snapshot.Wait(HostContext::Soon(), "snapshot").status()));
}

}  // namespace
}  // namespace ember::daemon
