#include <fstream>

#include "base/socket.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/full_disk.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

TEST_CASE("a guest that powers itself off leaves a stopped VM", "[daemon][machine]") {
  HostContext context;
  const VmView before = ValueOf(context.Create("web"));
  context.world.End("web", 0);
  const state::Event event = context.MustSee("web", "stopped");
  CHECK(event.message == "the guest powered off");
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kStopped);
  CHECK(vm.record.state_reason.empty());
  CHECK(vm.agent == AgentState::kNone);
  CHECK_FALSE(vm.record.machine.has_value());
  CHECK_FALSE(std::filesystem::exists(before.vsock_path));
  REQUIRE_OK(context.Start("web"));
}

TEST_CASE("a machine that dies leaves a failed VM that says why", "[daemon][machine]") {
  HostContext context;
  context.world.Plan({.console = "one\nkernel panic\n"});
  const VmView before = ValueOf(context.Create("web"));
  context.world.End("web", 1, "qemu: out of memory");
  context.MustSee("web", "failed");
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(Contains(vm.record.state_reason, "exit code 1"));
  CHECK(Contains(vm.record.state_reason, "qemu: out of memory"));
  CHECK(Contains(vm.record.state_reason, "one\nkernel panic"));
  CHECK_FALSE(vm.record.machine.has_value());
  CHECK_FALSE(std::filesystem::exists(before.vsock_path));
  CHECK(context.world.kills == 1);  // what is left of it is removed
  REQUIRE_OK(context.Delete("web"));
  context.CheckNothingLeft("web");
}

TEST_CASE("the end of a machine is settled once the store can be written", "[daemon][store]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  {
    const testing::FullDisk full;
    const int before = context.warnings;
    context.world.End("web", 1);
    while (context.warnings == before) context.Settle();
    CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
  }
  context.MustSee("web", "failed");
}

TEST_CASE("an agent that comes later is noticed by its call", "[daemon][agent]") {
  HostContext context;
  context.world.Plan({.agent = testing::AgentMode::kOff});
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::ZeroDuration();
  CHECK(ValueOf(context.Create(spec)).agent == AgentState::kWaiting);
  auto ready = context.BeginWait("web", WaitCondition::kAgentReady);
  context.world.Change("web", [](auto& plan) { plan.agent = testing::AgentMode::kServe; });
  CHECK(ValueOf(HostContext::Answer(ready)).agent == AgentState::kReady);
}

TEST_CASE("a console of an earlier boot is not shown as this one's", "[daemon][console]") {
  HostContext context;
  const VmView vm = ValueOf(context.Create("web"));
  REQUIRE_OK(context.Stop("web"));
  std::filesystem::path older = vm.console_path;
  older += ".1";
  std::ofstream(older) << "an old boot";
  REQUIRE_OK(context.Start("web"));
  CHECK_FALSE(std::filesystem::exists(older));
}

// A host whose boots must show a sign of life soon.
HostContext::Shape Impatient() { return {.boot_sign_limit = absl::Milliseconds(300)}; }
const testing::GuestPlan kHungBoot = {.agent = testing::AgentMode::kOff, .console = ""};

TEST_CASE("a boot without a sign of life is started anew, once", "[daemon][boot]") {
  HostContext context(Impatient());
  context.world.Plan(kHungBoot);
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::Milliseconds(1500);
  const VmView vm = ValueOf(context.Create(spec));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.record.boot_retries == 1);
  CHECK(context.world.launches == 2);
  CHECK(context.Events("web") == "creating created starting running boot-retry running");
  CHECK(context.world.Running().size() == 1);
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  context.CheckNothingLeft("web");
}

TEST_CASE("a boot that printed something is left alone", "[daemon][boot]") {
  HostContext context(Impatient());
  context.world.Plan({.agent = testing::AgentMode::kOff, .console = "[ 0.0 ] Linux"});
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::Milliseconds(800);
  CHECK(ValueOf(context.Create(spec)).record.boot_retries == 0);
  CHECK(context.world.launches == 1);
}

TEST_CASE("a create is cancelled while its boot is started anew", "[daemon][boot]") {
  HostContext context(Impatient());
  context.world.Plan(kHungBoot);
  std::stop_source wish;
  auto create = context.BeginCreate(HostContext::Spec("web"), {wish.get_token(), {}});
  context.MustSee("web", "running");
  context.world.launch_gate.Close();
  context.MustSee("web", "boot-retry");
  REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
  wish.request_stop();
  context.MustSee("web", "deleting");
  context.world.launch_gate.Open();
  CHECK(HostContext::Answer(create).status().code() == absl::StatusCode::kCancelled);
  context.CheckNothingLeft("web");
}

TEST_CASE("a stop while the boot is started anew wins", "[daemon][boot]") {
  HostContext context(Impatient());
  context.world.Plan(kHungBoot);
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::ZeroDuration();
  REQUIRE_OK(context.Create(spec));
  context.world.kill_gate.Close();
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  auto stop = context.BeginStop("web", {.force = true});
  context.MustSee("web", "stopping");
  context.world.kill_gate.Open();
  CHECK(ValueOf(HostContext::Answer(stop)).record.state == VmState::kStopped);
  CHECK(context.world.launches == 1);
  CHECK(context.world.Running().empty());
}

TEST_CASE("a hung boot that can't be recorded as started anew fails the VM",
          "[daemon][boot][store]") {
  HostContext context(Impatient());
  context.world.Plan(kHungBoot);
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::ZeroDuration();
  REQUIRE_OK(context.Create(spec));
  context.world.kill_gate.Close();
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  {
    const testing::FullDisk full;
    const int before = context.warnings;
    context.world.kill_gate.Open();
    while (context.warnings == before) context.Settle();
    context.world.Settle();
    context.Settle();
  }
  context.MustSee("web", "failed");
  CHECK(ValueOf(context.Get("web")).record.state_reason == "its boot hung");
  CHECK(context.world.Running().empty());
}

TEST_CASE("a hung machine that ends while its kill fails is not taken for a running one",
          "[daemon][boot]") {
  HostContext context(Impatient());
  testing::GuestPlan plan = kHungBoot;
  plan.kill_error = Internal("the process would not go");
  context.world.Plan(plan);
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::ZeroDuration();
  REQUIRE_OK(context.Create(spec));
  context.world.kill_gate.Close();
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  context.world.End("web", 1);
  context.world.Settle();
  context.world.kill_gate.Open();
  context.MustSee("web", "failed");
}

}  // namespace
}  // namespace ember::daemon
