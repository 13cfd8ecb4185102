#include <fstream>

#include "base/file.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::ValueOf;

state::VmRecord NewRow(state::Store& store, std::string name) {
  state::NewVm vm;
  vm.name = std::move(name);
  vm.config.backend = "fake";
  return ValueOf(store.CreateVm(vm)).vm;
}

state::MachineRow Intent(std::string machine_id) {
  state::MachineRow intent;
  intent.machine_id = std::move(machine_id);
  intent.host_boot_id = "boot-1";
  intent.backend = "fake";
  return intent;
}

// A VM whose row says that a launch has begun.
state::VmRecord Starting(state::Store& store, const std::string& machine_id) {
  const state::VmRecord vm = NewRow(store, "web");
  REQUIRE_OK(store.SetDisk(vm.id, {}, {VmState::kCreated, "", ""}));
  return ValueOf(store.BeginStart(vm.id, Intent(machine_id), {VmState::kStarting, "", ""}));
}

// What a daemon that was killed in the middle of a launch has left.
hypervisor::MachineHandle Orphan(const std::string& machine_id) {
  hypervisor::MachineHandle handle;
  handle.machine_id = machine_id;
  handle.vm_name = "web";
  return handle;
}

TEST_CASE("a create that a crash cut off is undone", "[daemon][recovery]") {
  HostContext context;
  context.End();
  NewRow(*context.OpenStore(), "web");
  REQUIRE_OK(MakeDirectories(context.VmDir("web"), 0700));
  context.Begin();
  CHECK(context.Events("web") == "creating deleting deleted");
  context.CheckNothingLeft("web");
}

TEST_CASE("a start that a crash cut off has failed, and its machine is ended",
          "[daemon][recovery]") {
  HostContext context;
  context.End();
  Starting(*context.OpenStore(), "m1");
  SECTION("with a machine") { context.world.Haunt(Orphan("m1")); }
  SECTION("without one") {}
  context.Begin();
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(vm.record.state_reason == "emberhostd ended while it was started");
  CHECK_FALSE(vm.record.machine.has_value());
  CHECK(context.world.Running().empty());
  CHECK(context.world.reaps == 1);
  REQUIRE_OK(context.Start("web"));
}

TEST_CASE("a machine of a cut off start that can't be ended is not forgotten",
          "[daemon][recovery]") {
  HostContext context;
  context.End();
  Starting(*context.OpenStore(), "m1");
  context.world.Haunt(Orphan("m1"));
  context.world.FailReap(Internal("not allowed"));
  context.Begin();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kFailed);
  // A second machine on its disk would destroy it.
  CHECK_FALSE(context.Start("web").ok());
  CHECK(context.world.launches == 0);

  SECTION("a delete ends it") {
    context.world.FailReap(absl::OkStatus());
    REQUIRE_OK(context.Delete("web"));
    context.CheckNothingLeft("web");
  }
  SECTION("the next recovery ends it") {
    context.world.FailReap(absl::OkStatus());
    context.Restart();
    CHECK(context.world.Running().empty());
    REQUIRE_OK(context.Start("web"));
  }
}

TEST_CASE("a running machine is adopted", "[daemon][recovery]") {
  HostContext context;
  const VmView before = ValueOf(context.Create("web"));
  context.Restart();
  const VmView after = ValueOf(context.Wait("web", WaitCondition::kAgentReady));
  CHECK(after.record.state == VmState::kRunning);
  CHECK(after.record.machine == before.record.machine);
  CHECK(after.record.started_at == before.record.started_at);
  CHECK(std::filesystem::is_socket(after.vsock_path));
  CHECK(context.world.kills == 0);
  CHECK(context.world.launches == 1);
  REQUIRE_OK(context.Stop("web"));
}

TEST_CASE("the end of an adopted machine is noticed", "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.Restart();
  context.world.End("web", 3);
  CHECK(Contains(context.MustSee("web", "failed").message, "exit code 3"));
}

TEST_CASE("a machine that ended while no daemon ran has failed", "[daemon][recovery]") {
  HostContext context;
  context.world.Plan({.console = "last words\n"});
  REQUIRE_OK(context.Create("web"));
  context.End();
  context.world.End("web", 0);
  context.Begin();
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(Contains(vm.record.state_reason, "its machine ended while emberhostd was down"));
  CHECK(Contains(vm.record.state_reason, "last words"));
  CHECK_FALSE(vm.record.machine.has_value());
  CHECK(context.world.reaps == 1);
}

TEST_CASE("an adoption that goes wrong ends nothing and is tried again", "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.End();
  context.world.FailAdopt(DeadlineExceeded("the control socket did not answer"));
  context.Begin();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
  CHECK(context.world.Running().contains("web"));
  CHECK(context.world.reaps == 0);
  context.world.FailAdopt(absl::OkStatus());
  CHECK(ValueOf(context.Wait("web", WaitCondition::kAgentReady)).record.state == VmState::kRunning);
}

TEST_CASE("a VM whose machine is not adopted yet can be stopped and deleted",
          "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.End();
  context.world.FailAdopt(DeadlineExceeded("the control socket did not answer"));
  context.Begin();
  SECTION("stopped") {
    REQUIRE_OK(context.Stop("web"));
    CHECK(context.world.Running().empty());
    REQUIRE_OK(context.Delete("web"));
  }
  SECTION("deleted") { REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce)); }
  context.CheckNothingLeft("web");
}

TEST_CASE("after a restart of the host no machine is looked for", "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.Restart("boot-2");
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(vm.record.state_reason == "the host was restarted");
  CHECK(context.world.adoptions == 0);
  CHECK(context.world.Running().contains("web"));  // a number that means another process now
}

TEST_CASE("a paused machine stays paused", "[daemon][recovery]") {
  HostContext context;
  const VmView vm = ValueOf(context.Create("web"));
  context.End();
  REQUIRE_OK(context.OpenStore()->SetState(vm.record.id, {VmState::kPaused, "", ""}));
  context.Begin();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kPaused);
  REQUIRE_OK(context.Stop("web"));
}

TEST_CASE("a stop that a crash cut off is finished", "[daemon][recovery]") {
  HostContext context;
  const VmView vm = ValueOf(context.Create("web"));
  context.End();
  REQUIRE_OK(context.OpenStore()->SetState(vm.record.id, {VmState::kStopping, "", ""}));
  SECTION("while its machine runs: the guest is asked again") {
    context.Begin();
    CHECK(ValueOf(context.Wait("web", WaitCondition::kStopped)).record.state == VmState::kStopped);
    CHECK(context.world.Running().empty());
    CHECK(context.world.polite_stops == 0);
  }
  SECTION("when its machine is gone") {
    context.world.End("web", 0);
    context.Begin();
    CHECK(ValueOf(context.Get("web")).record.state == VmState::kStopped);
  }
}

TEST_CASE("a delete that a crash cut off is finished", "[daemon][recovery]") {
  HostContext context;
  const VmView vm = ValueOf(context.Create("web"));
  context.End();
  REQUIRE_OK(context.OpenStore()->SetState(vm.record.id, {VmState::kDeleting, "", ""}));
  context.Begin();
  CHECK(Contains(context.Events("web"), "deleted"));
  context.CheckNothingLeft("web");
}

TEST_CASE("VMs that are off stay as they are", "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("new"));
  REQUIRE_OK(context.Create("down"));
  REQUIRE_OK(context.Stop("down"));
  const uint64_t events = context.LastEvent();
  context.Restart();
  CHECK(context.LastEvent() == events);
  CHECK(ValueOf(context.Get("new")).record.state == VmState::kCreated);
  REQUIRE_OK(context.Start("down"));
}

TEST_CASE("a directory that no row explains is removed", "[daemon][recovery]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  context.End();
  REQUIRE_OK(MakeDirectories(context.VmDir("ghost") / "deep", 0700));
  std::ofstream(context.VmDir("ghost") / "disk.img") << "x";
  context.Begin();
  CHECK_FALSE(std::filesystem::exists(context.VmDir("ghost")));
  CHECK(std::filesystem::exists(context.VmDir("web")));
}

TEST_CASE("a request that is sent again after a crash is made up for", "[daemon][recovery]") {
  HostContext context;
  context.End();
  CreateVmSpec spec = HostContext::Spec("web");
  spec.request_id = "r1";
  {
    const auto store = context.OpenStore();
    state::NewVm row;
    row.name = "web";
    row.config.backend = "fake";
    row.request_id = "r1";
    row.request_digest = spec.Digest();
    const state::VmRecord vm = ValueOf(store->CreateVm(row)).vm;
    REQUIRE_OK(store->SetDisk(vm.id, {}, {VmState::kCreated, "", ""}));
  }
  REQUIRE_OK(MakeDirectories(context.VmDir("web"), 0700));
  context.Begin();
  CHECK(ValueOf(context.Create(spec)).record.state == VmState::kRunning);
  CHECK(context.world.launches == 1);
}

}  // namespace
}  // namespace ember::daemon
