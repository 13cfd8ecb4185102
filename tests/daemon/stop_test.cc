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

// No agent, no power button: only the kill ends it.
const testing::GuestPlan kDeafGuest = {.obeys_agent = false, .obeys_power_button = false};
constexpr absl::Duration kLong = absl::Seconds(600);

void CheckStopped(HostContext& context, const VmView& vm) {
  CHECK(vm.record.state == VmState::kStopped);
  CHECK(vm.agent == AgentState::kNone);
  CHECK_FALSE(vm.record.machine.has_value());
  CHECK_FALSE(std::filesystem::exists(vm.vsock_path));
  CHECK(context.world.Running().empty());
}

TEST_CASE("a polite stop asks the agent first", "[daemon][stop]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  const VmView vm = ValueOf(context.Stop("web"));
  CheckStopped(context, vm);
  CHECK(context.world.polite_stops == 0);
  CHECK(Contains(context.Events("web"), "agent-ready stopping stopped"));
}

TEST_CASE("a stop presses the power button of a guest whose agent does not answer",
          "[daemon][stop]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  context.world.Change("web", [](auto& plan) { plan.agent = testing::AgentMode::kOff; });
  CheckStopped(context, ValueOf(context.Stop("web", {.grace = kLong})));
  CHECK(context.world.polite_stops == 1);
}

TEST_CASE("a stop kills a guest that does not power off within the grace", "[daemon][stop]") {
  HostContext context;
  context.world.Plan(kDeafGuest);
  REQUIRE_OK(context.Create("web"));
  CheckStopped(context, ValueOf(context.Stop("web", {.grace = absl::Milliseconds(200)})));
  CHECK(context.world.polite_stops == 1);
  CHECK(context.world.kills == 1);
}

TEST_CASE("a forced stop asks nobody", "[daemon][stop]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  CheckStopped(context, ValueOf(context.Stop("web", {.force = true})));
  CHECK(context.world.polite_stops == 0);
}

TEST_CASE("a forced stop turns a polite one under way into a kill", "[daemon][stop]") {
  HostContext context;
  context.world.Plan(kDeafGuest);
  REQUIRE_OK(context.Create("web"));
  auto polite = context.BeginStop("web", {.grace = kLong});
  context.MustSee("web", "stopping");
  CheckStopped(context, ValueOf(context.Stop("web", {.force = true})));
  CheckStopped(context, ValueOf(HostContext::Answer(polite)));
}

TEST_CASE("a VM that was stopped starts again", "[daemon][start]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  REQUIRE_OK(context.Stop("web"));
  const VmView vm = ValueOf(context.Start("web"));
  CHECK(vm.record.state == VmState::kRunning);
  CHECK(vm.agent == AgentState::kReady);
  CHECK(std::filesystem::is_socket(vm.vsock_path));
}

TEST_CASE("a start that fails leaves the VM failed, with the reason", "[daemon][start]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  context.world.FailLaunch(Internal("no such wonder"));
  CHECK(TextOf(context.Start("web").status()) == "vm 'web' could not be started: no such wonder");
  const VmView vm = ValueOf(context.Get("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK(Contains(vm.record.state_reason, "no such wonder"));
  CHECK_FALSE(vm.record.machine.has_value());
  context.world.FailLaunch(absl::OkStatus());
  REQUIRE_OK(context.Start("web"));
}

TEST_CASE("a verb in the wrong state is refused at once and says why", "[daemon][verbs]") {
  HostContext context;
  REQUIRE_OK(context.Create("up"));
  REQUIRE_OK(context.CreateIdle("new"));
  REQUIRE_OK(context.Create("down"));
  REQUIRE_OK(context.Stop("down"));
  const auto refused = [](const absl::Status& status, std::string_view text) {
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(ReasonOf(status) == "WRONG_STATE");
    CHECK(TextOf(status) == text);
  };
  refused(context.Start("up").status(), "vm 'up' is already running");
  refused(context.Delete("up"), "vm 'up' is running");
  refused(context.Stop("new").status(), "vm 'new' is not running, it was never started");
  refused(context.Stop("down").status(), "vm 'down' is already stopped");
  CHECK(context.world.launches == 2);
}

TEST_CASE("a verb on a VM that is not there says how to find one", "[daemon][verbs]") {
  HostContext context;
  for (const absl::Status& status :
       {context.Start("web").status(), context.Stop("web").status(), context.Delete("web"),
        context.Get("web").status(), context.Wait("web", WaitCondition::kStopped).status()}) {
    CHECK(status.code() == absl::StatusCode::kNotFound);
    CHECK(ReasonOf(status) == "VM_NOT_FOUND");
    CHECK(Contains(HintOf(status).value_or(""), "ember vm list"));
  }
}

TEST_CASE("of verbs that come together one wins and the others are told", "[daemon][verbs]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  context.world.launch_gate.Close();
  Awaited<VmView> start;
  context.host().StartVm("web", kLong, {}, start.reply());
  REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
  CHECK(TextOf(context.Start("web").status()) == "vm 'web' is starting");
  CHECK(TextOf(context.Stop("web").status()) == "vm 'web' is starting");
  CHECK(TextOf(context.Delete("web", Host::DeleteMode::kForce)) == "vm 'web' is starting");
  context.world.launch_gate.Open();
  REQUIRE_OK(HostContext::Answer(start));
}

TEST_CASE("delete removes a VM that is off, with all that it had", "[daemon][delete]") {
  HostContext context;
  SECTION("stopped") {
    REQUIRE_OK(context.Create("web"));
    REQUIRE_OK(context.Stop("web"));
  }
  SECTION("never started") { REQUIRE_OK(context.CreateIdle("web")); }
  REQUIRE_OK(context.Delete("web"));
  CHECK(Contains(context.Events("web"), "deleting deleted"));
  context.CheckNothingLeft("web");
}

TEST_CASE("a forced delete ends the machine of a running VM", "[daemon][delete]") {
  HostContext context;
  context.world.Plan(kDeafGuest);
  REQUIRE_OK(context.Create("web"));
  SECTION("that runs") {}
  SECTION("that is being stopped") {
    auto stop = context.BeginStop("web", {.grace = kLong});
    context.MustSee("web", "stopping");
  }
  REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
  context.CheckNothingLeft("web");
}

TEST_CASE("a machine that can't be killed stays running and can be stopped later",
          "[daemon][stop]") {
  HostContext context;
  testing::GuestPlan plan = kDeafGuest;
  plan.kill_error = Internal("the process would not go");
  context.world.Plan(plan);
  REQUIRE_OK(context.Create("web"));
  context.world.kill_gate.Close();
  auto polite = context.BeginStop("web", {.grace = absl::Milliseconds(50)});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  auto forced = context.BeginStop("web", {.force = true});
  context.Settle();
  context.world.kill_gate.Open();
  CHECK(Contains(TextOf(HostContext::Answer(polite).status()), "vm 'web' could not be stopped"));
  // Whoever joined is not told that it stopped.
  CHECK_FALSE(HostContext::Answer(forced).ok());
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);

  context.world.Change("web", [](auto& guest) {
    guest.kill_error = absl::OkStatus();
    guest.obeys_agent = true;
  });
  CheckStopped(context, ValueOf(context.Stop("web", {.grace = kLong})));
  // The second stop was a polite one again.
  CHECK(context.world.polite_stops == 1);
}

TEST_CASE("a machine that ends while its kill fails is not taken for a running one",
          "[daemon][stop]") {
  HostContext context;
  testing::GuestPlan plan = kDeafGuest;
  plan.kill_error = Internal("the process would not go");
  context.world.Plan(plan);
  REQUIRE_OK(context.Create("web"));
  context.world.kill_gate.Close();
  auto stop = context.BeginStop("web", {.force = true});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  context.world.End("web", 1);
  context.world.Settle();
  context.world.kill_gate.Open();
  CHECK_FALSE(HostContext::Answer(stop).ok());
  context.MustSee("web", "failed");
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kFailed);
}

TEST_CASE("a delete that can't end the machine keeps its disk and can be repeated",
          "[daemon][delete]") {
  HostContext context;
  testing::GuestPlan plan;
  plan.kill_error = Internal("the process would not go");
  context.world.Plan(plan);
  const VmView vm = ValueOf(context.Create("web"));
  const absl::Status failed = context.Delete("web", Host::DeleteMode::kForce);
  CHECK(Contains(TextOf(failed), "vm 'web' could not be deleted"));
  CHECK(std::filesystem::exists(vm.console_path));
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kFailed);
  CHECK_FALSE(context.Start("web").ok());
  context.world.Change("web", [](auto& guest) { guest.kill_error = absl::OkStatus(); });
  REQUIRE_OK(context.Delete("web"));
  context.CheckNothingLeft("web");
}

TEST_CASE("a store that can't be written refuses verbs and ends no VM", "[daemon][store]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  {
    const testing::FullDisk full;
    CHECK_FALSE(context.Stop("web").ok());
    CHECK_FALSE(context.Delete("web", Host::DeleteMode::kForce).ok());
    CHECK_FALSE(context.Create("db").ok());
    CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
  }
  CHECK(context.world.Running() == std::set<std::string>{"web"});
  CheckStopped(context, ValueOf(context.Stop("web")));
}

TEST_CASE("a launch that can't be recorded keeps its machine until it can be", "[daemon][store]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  context.world.Plan({.console = ""});
  context.world.launch_gate.Close();
  Awaited<VmView> start;
  context.host().StartVm("web", absl::Seconds(20), {}, start.reply());
  REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
  {
    const testing::FullDisk full;
    const int before = context.warnings;
    context.world.launch_gate.Open();
    while (context.warnings == before) context.Settle();
    CHECK(context.world.Running().contains("web"));
  }
  CHECK(ValueOf(HostContext::Answer(start)).record.state == VmState::kRunning);
  CHECK(context.world.launches == 1);
}

}  // namespace
}  // namespace ember::daemon
