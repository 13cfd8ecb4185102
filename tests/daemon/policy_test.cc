#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::RestartPolicy;
using state::VmState;
using testing::Contains;
using testing::ValueOf;

CreateVmSpec WithPolicy(RestartPolicy policy) {
  CreateVmSpec spec = HostContext::Spec("web");
  spec.restart_policy = policy;
  return spec;
}

CreateVmSpec WithTtl(int64_t seconds) {
  CreateVmSpec spec = HostContext::Spec("web");
  spec.ttl = absl::Seconds(seconds);
  return spec;
}

CreateVmSpec Removed() {
  CreateVmSpec spec = HostContext::Spec("web");
  spec.remove_when_stopped = true;
  return spec;
}

TEST_CASE("a VM that fails is started again and counts it", "[daemon][policy]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kOnFailure)));
  uint64_t seen = context.LastEvent();
  for (uint32_t restarts = 1; restarts <= 3; ++restarts) {
    context.world.End("web", 1, "crashed");
    seen = context.MustSee("web", "running", seen).sequence;
    CHECK(ValueOf(context.Get("web")).record.restarts == restarts);
  }
  // A start that somebody asks for begins the count anew.
  REQUIRE_OK(context.Stop("web"));
  CHECK(ValueOf(context.Start("web")).record.restarts == 0);
}

TEST_CASE("on-failure does not answer a guest that powers off, always does", "[daemon][policy]") {
  HostContext context;
  const auto policy = GENERATE(RestartPolicy::kOnFailure, RestartPolicy::kAlways);
  REQUIRE_OK(context.Create(WithPolicy(policy)));
  const uint64_t before = context.LastEvent();
  context.world.End("web", 0);
  if (policy == RestartPolicy::kAlways) {
    context.MustSee("web", "running", before);
  } else {
    context.MustSee("web", "stopped", before);
    context.Settle();
    CHECK_FALSE(ValueOf(context.Get("web")).next_start_at.has_value());
  }
}

TEST_CASE("a stop is never answered by a start", "[daemon][policy]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  SECTION("of a VM that its policy has started again") {
    const uint64_t before = context.LastEvent();
    context.world.End("web", 1);
    context.MustSee("web", "running", before);
    CHECK(ValueOf(context.Get("web")).record.follow_up == state::FollowUp::kNone);
  }
  SECTION("of a VM that never failed") {}
  const VmView vm = ValueOf(context.Stop("web"));
  CHECK(vm.record.follow_up == state::FollowUp::kNone);
  context.Settle();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kStopped);
}

TEST_CASE("a start before its policy's back-off is over takes its place", "[daemon][policy]") {
  HostContext context({.periods = {.first_backoff = absl::Hours(1)}});
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  context.world.End("web", 1);
  context.MustSee("web", "failed");
  CHECK(ValueOf(context.Start("web")).record.follow_up == state::FollowUp::kNone);
  CHECK(ValueOf(context.Stop("web")).record.follow_up == state::FollowUp::kNone);
}

TEST_CASE("a stop gives up a restart that waits for its back-off", "[daemon][policy]") {
  HostContext context({.periods = {.first_backoff = absl::Hours(1)}});
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  context.world.End("web", 1);
  context.MustSee("web", "failed");
  context.Settle();
  CHECK(ValueOf(context.Get("web")).next_start_at.has_value());
  const VmView vm = ValueOf(context.Stop("web"));
  CHECK(vm.record.state == VmState::kFailed);
  CHECK_FALSE(vm.next_start_at.has_value());
  CHECK(vm.record.follow_up == state::FollowUp::kNone);
}

TEST_CASE("short runs make the back-off longer, a steady run makes it short again",
          "[daemon][policy]") {
  HostContext context({.periods = {.first_backoff = absl::Milliseconds(1),
                                   .longest_backoff = absl::Hours(1),
                                   .steady_run = absl::ZeroDuration()}});
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  uint64_t seen = context.LastEvent();
  // Every run is steady here, so 40 doublings of a millisecond never come together.
  for (int i = 0; i < 40; ++i) {
    context.clocks.Pass(100'000'000);
    context.world.End("web", 1);
    seen = context.MustSee("web", "running", seen).sequence;
  }
}

TEST_CASE("a restart that was waiting when the daemon ended goes on", "[daemon][policy]") {
  HostContext context({.periods = {.first_backoff = absl::Hours(1)}});
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  context.world.End("web", 1);
  context.MustSee("web", "failed");
  context.Restart();
  context.Settle();
  CHECK(ValueOf(context.Get("web")).next_start_at.has_value());
}

TEST_CASE("a VM whose machine was lost while the daemon was down is started again",
          "[daemon][policy]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kOnFailure)));
  const uint64_t before = context.LastEvent();
  context.End();
  context.world.End("web", 9);
  context.Begin();
  context.MustSee("web", "running", before);
}

TEST_CASE("a VM that is to be removed goes with its machine, however that ends",
          "[daemon][policy]") {
  HostContext context;
  REQUIRE_OK(context.Create(Removed()));
  SECTION("stopped") { CHECK(context.Stop("web").status().code() != absl::StatusCode::kInternal); }
  SECTION("powered off") { context.world.End("web", 0); }
  SECTION("failed") { context.world.End("web", 1); }
  SECTION("lost while the daemon was down") {
    context.End();
    context.world.End("web", 1);
    context.Begin();
  }
  context.MustSee("web", "deleted");
  context.CheckNothingLeft("web");
}

TEST_CASE("a VM that was never started is not removed for being off", "[daemon][policy]") {
  HostContext context;
  CreateVmSpec spec = Removed();
  spec.start = false;
  REQUIRE_OK(context.Create(spec));
  context.Restart();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kCreated);
}

TEST_CASE("removal and restart together are refused", "[daemon][policy]") {
  HostContext context;
  CreateVmSpec spec = Removed();
  spec.restart_policy = RestartPolicy::kAlways;
  CHECK(absl::IsInvalidArgument(context.Create(spec).status()));
  CHECK(context.List().empty());
}

TEST_CASE("a VM whose time to live has run out is stopped and deleted", "[daemon][ttl]") {
  HostContext context;
  CreateVmSpec spec = WithTtl(7200);
  spec.start = GENERATE(true, false);
  REQUIRE_OK(context.Create(spec));
  context.clocks.Pass(7199);
  context.Settle();
  REQUIRE_OK(context.Get("web"));
  context.clocks.Pass(1);
  CHECK(context.MustSee("web", "expired").message == "its time to live has run out");
  context.MustSee("web", "deleted");
  context.CheckNothingLeft("web");
}

TEST_CASE("no jump of the wall clock moves a time to live", "[daemon][ttl]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithTtl(7200)));
  SECTION("forward") { context.clocks.wall_seconds += 1'000'000; }
  SECTION("backward, then it runs out") {
    context.clocks.wall_seconds -= 1'000'000;
    context.clocks.boot_seconds += 7200;
    context.MustSee("web", "deleted");
    return;
  }
  SECTION("forward, with a new daemon") {
    context.clocks.wall_seconds += 1'000'000;
    context.Restart();
  }
  context.Settle();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
}

TEST_CASE("a time to live that ran out while the daemon was down is acted on", "[daemon][ttl]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithTtl(60)));
  context.End();
  SECTION("in the same boot of the host") {
    context.clocks.boot_seconds += 60;
    context.Begin();
  }
  SECTION("across a boot of the host") {
    context.clocks.boot_seconds = 1;
    context.clocks.wall_seconds += 60;
    context.Begin("boot-2");
  }
  context.MustSee("web", "deleted");
}

TEST_CASE("across boots a clock that was set back gives no more than the whole time",
          "[daemon][ttl]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithTtl(60)));
  context.End();
  context.clocks.wall_seconds -= 1'000'000;
  context.clocks.boot_seconds = 1;
  context.Begin("boot-2");
  context.Settle();
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kFailed);
}

TEST_CASE("a delete that fails when the time is up is tried again", "[daemon][ttl]") {
  HostContext context;
  context.world.Plan({.kill_error = absl::InternalError("it clings to life")});
  REQUIRE_OK(context.Create(WithTtl(60)));
  context.clocks.Pass(60);
  context.MustSee("web", "expired");
  context.world.Change("web", [](auto& plan) { plan.kill_error = absl::OkStatus(); });
  context.MustSee("web", "deleted");
}

TEST_CASE("an impossible time to live is refused", "[daemon][ttl]") {
  HostContext context;
  CHECK(absl::IsInvalidArgument(context.Create(WithTtl(0)).status()));
  CHECK(absl::IsInvalidArgument(context.Create(WithTtl(int64_t{86400} * 4000)).status()));
}

TEST_CASE("VMs with autostart run when the daemon starts", "[daemon][policy]") {
  HostContext context;
  CreateVmSpec spec = HostContext::Spec("web");
  spec.autostart = true;
  spec.start = false;
  REQUIRE_OK(context.Create(spec));
  REQUIRE_OK(context.CreateIdle("other"));
  const uint64_t before = context.LastEvent();
  context.Restart();
  context.MustSee("web", "running", before);
  CHECK(ValueOf(context.Get("other")).record.state == VmState::kCreated);
}

TEST_CASE("guest memory stays under its limit, and the refusal has the numbers",
          "[daemon][admission]") {
  // 50 % of 8,192 MiB: eight VMs of 512 MiB.
  HostContext context({.memory_limit_percent = 50});
  for (int i = 0; i < 8; ++i) REQUIRE_OK(context.Create(fmt::format("vm{}", i)));
  const absl::Status refused = context.Create("one-more").status();
  CHECK(absl::IsResourceExhausted(refused));
  CHECK(ReasonOf(refused) == "MEMORY_LIMIT");
  CHECK(Message(refused) ==
        "vm 'one-more': its 512 MiB of memory do not fit: running VMs have 4096 MiB of the 4096 "
        "MiB that they may have (50 % of this host's 8192 MiB), 0 MiB are left");
  CHECK(absl::IsNotFound(context.Get("one-more").status()));
  // A VM that does not run has no memory.
  REQUIRE_OK(context.CreateIdle("idle"));
  CHECK(absl::IsResourceExhausted(context.Start("idle").status()));
  CHECK(ValueOf(context.Get("idle")).record.state == VmState::kCreated);
  REQUIRE_OK(context.Stop("vm0"));
  REQUIRE_OK(context.Start("idle"));
}

TEST_CASE("a restart by policy that does not fit is tried again", "[daemon][admission]") {
  HostContext context;
  REQUIRE_OK(context.Create(WithPolicy(RestartPolicy::kAlways)));
  context.End();
  context.world.End("web", 1);
  context.shape().memory_limit_percent = 1;
  context.Begin();
  const VmView waiting = ValueOf(context.Get("web"));
  CHECK(waiting.record.state == VmState::kFailed);
  CHECK(waiting.record.follow_up == state::FollowUp::kRestart);
  const uint64_t before = context.LastEvent();
  context.End();
  context.shape().memory_limit_percent = 80;
  context.Begin();
  context.MustSee("web", "running", before);
}

}  // namespace
}  // namespace ember::daemon
