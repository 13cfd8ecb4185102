#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

TEST_CASE("a wait that holds already answers at once", "[daemon][wait]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  CHECK(ValueOf(context.Wait("web", WaitCondition::kAgentReady)).agent == AgentState::kReady);
  REQUIRE_OK(context.Stop("web"));
  CHECK(ValueOf(context.Wait("web", WaitCondition::kStopped)).record.state == VmState::kStopped);
}

TEST_CASE("a wait for the end answers when it comes", "[daemon][wait]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  auto stopped = context.BeginWait("web", WaitCondition::kStopped);
  context.world.End("web", 0);
  CHECK(ValueOf(HostContext::Answer(stopped)).record.state == VmState::kStopped);
}

TEST_CASE("a wait for the agent of a VM that does not run says what to do", "[daemon][wait]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  const absl::Status never = context.Wait("web", WaitCondition::kAgentReady).status();
  CHECK(never.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(TextOf(never) == "vm 'web' is created, not running");
  CHECK(HintOf(never) == "start it with 'ember vm start web'");
}

TEST_CASE("a wait ends with what it waited for", "[daemon][wait]") {
  HostContext context;
  context.world.Plan({.agent = testing::AgentMode::kOff});
  CreateVmSpec spec = HostContext::Spec("web");
  spec.agent_wait = absl::ZeroDuration();
  REQUIRE_OK(context.Create(spec));
  std::stop_source wish;
  Cancellation cancellation{wish.get_token(), {}};
  auto code = absl::StatusCode::kOk;
  SECTION("the machine ended: the agent will never come") {
    auto ready = context.BeginWait("web", WaitCondition::kAgentReady);
    context.world.End("web", 1);
    code = HostContext::Answer(ready).status().code();
    CHECK(code == absl::StatusCode::kFailedPrecondition);
  }
  SECTION("the VM was deleted") {
    auto ready = context.BeginWait("web", WaitCondition::kAgentReady);
    REQUIRE_OK(context.Delete("web", Host::DeleteMode::kForce));
    const absl::Status gone = HostContext::Answer(ready).status();
    CHECK(gone.code() == absl::StatusCode::kAborted);
    CHECK(TextOf(gone) == "vm 'web' was deleted");
  }
  SECTION("the caller went away") {
    auto ready = context.BeginWait("web", WaitCondition::kAgentReady, cancellation);
    context.Settle();
    wish.request_stop();
    CHECK(HostContext::Answer(ready).status().code() == absl::StatusCode::kCancelled);
  }
  SECTION("the caller's time was up") {
    const absl::Status late =
        context.Wait("web", WaitCondition::kAgentReady, Cancellation::After(absl::Milliseconds(50)))
            .status();
    CHECK(late.code() == absl::StatusCode::kDeadlineExceeded);
    CHECK(Contains(TextOf(late), "vm 'web'"));
  }
  SECTION("the daemon ended") {
    auto ready = context.BeginWait("web", WaitCondition::kAgentReady, cancellation);
    context.Settle();
    context.End();
    CHECK(HostContext::Answer(ready).status().code() == absl::StatusCode::kCancelled);
    wish.request_stop();  // nobody is called any more
  }
}

TEST_CASE("who follows events gets those that come", "[daemon][events]") {
  HostContext context;
  Awaited<std::vector<state::Event>> first;
  context.host().NextEvents(0, 10, {}, first.reply());
  context.Settle();
  REQUIRE_OK(context.CreateIdle("web"));
  const auto events = ValueOf(HostContext::Answer(first));
  REQUIRE_FALSE(events.empty());
  CHECK(events.front().sequence == 1);
  CHECK(events.front().kind == "creating");
}

TEST_CASE("who follows events goes on where it was, also with another daemon", "[daemon][events]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  const uint64_t seen = context.LastEvent();
  context.Restart();
  CHECK(context.LastEvent() == seen);
  REQUIRE_OK(context.Delete("web"));
  Awaited<std::vector<state::Event>> answer;
  context.host().NextEvents(seen, 10, {}, answer.reply());
  const auto events = ValueOf(HostContext::Answer(answer));
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == "deleting");
  CHECK(events[0].sequence == seen + 1);
  CHECK(events[1].kind == "deleted");
}

TEST_CASE("events can be taken in small portions", "[daemon][events]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  Awaited<std::vector<state::Event>> answer;
  context.host().NextEvents(0, 1, {}, answer.reply());
  CHECK(ValueOf(HostContext::Answer(answer)).size() == 1);
}

TEST_CASE("a number that was never given out is refused", "[daemon][events]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  Awaited<std::vector<state::Event>> answer;
  context.host().NextEvents(context.LastEvent() + 1, 10, {}, answer.reply());
  CHECK(ReasonOf(HostContext::Answer(answer).status()) == "EVENTS_UNKNOWN");
}

TEST_CASE("events that are no longer kept are refused, not left out", "[daemon][events]") {
  HostContext context;
  const VmView vm = ValueOf(context.CreateIdle("web"));
  context.End();
  {
    const auto store = context.OpenStore();
    for (uint64_t i = 0; i < state::kEventsKept; ++i) {
      REQUIRE_OK(store->AppendEvent(vm.record.id, "noise", ""));
    }
  }
  context.Begin();
  Awaited<std::vector<state::Event>> answer;
  context.host().NextEvents(0, 10, {}, answer.reply());
  const absl::Status pruned = HostContext::Answer(answer).status();
  CHECK(pruned.code() == absl::StatusCode::kOutOfRange);
  CHECK(ReasonOf(pruned) == "EVENTS_PRUNED");
}

TEST_CASE("a reader of events can leave", "[daemon][events]") {
  HostContext context;
  Awaited<std::vector<state::Event>> answer;
  SECTION("by its wish") {
    std::stop_source wish;
    context.host().NextEvents(0, 10, {wish.get_token(), {}}, answer.reply());
    context.Settle();
    wish.request_stop();
    CHECK(HostContext::Answer(answer).status().code() == absl::StatusCode::kCancelled);
  }
  SECTION("by its deadline") {
    context.host().NextEvents(0, 10, Cancellation::After(absl::Milliseconds(50)), answer.reply());
    CHECK(HostContext::Answer(answer).status().code() == absl::StatusCode::kDeadlineExceeded);
  }
}

TEST_CASE("a drain with nothing under way answers at once and refuses verbs from then on",
          "[daemon][drain]") {
  HostContext context;
  REQUIRE_OK(context.Create("web"));
  Awaited<Done> drained;
  context.host().Drain(drained.reply());
  REQUIRE_OK(HostContext::Answer(drained));
  for (const absl::Status& refused :
       {context.Create("db").status(), context.Stop("web").status(), context.Delete("web")}) {
    CHECK(refused.code() == absl::StatusCode::kUnavailable);
    CHECK(ReasonOf(refused) == "SHUTTING_DOWN");
  }
  CHECK(context.List().size() == 1);
  CHECK(context.world.Running().contains("web"));
}

TEST_CASE("a drain waits for what is under way", "[daemon][drain]") {
  HostContext context;
  REQUIRE_OK(context.Create("old"));
  context.world.kill_gate.Close();
  context.world.launch_gate.Close();
  auto create = context.BeginCreate(HostContext::Spec("web"));
  auto stop = context.BeginStop("old", {.force = true});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  REQUIRE_OK(context.world.launch_gate.AwaitSomebody());
  Awaited<Done> drained;
  context.host().Drain(drained.reply());
  context.Settle();
  CHECK_FALSE(drained.Wait(Cancellation::After(absl::ZeroDuration()), "drain").ok());
  context.world.kill_gate.Open();
  REQUIRE_OK(HostContext::Answer(stop));
  context.world.launch_gate.Open();
  REQUIRE_OK(HostContext::Answer(create));
  CHECK(ValueOf(context.Get("web")).record.state == VmState::kRunning);
}

TEST_CASE("a drain that is cut off is not told that all is settled", "[daemon][drain]") {
  HostContext context;
  REQUIRE_OK(context.Create("old"));
  context.world.kill_gate.Close();
  auto stop = context.BeginStop("old", {.force = true});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  Awaited<Done> drained;
  context.host().Drain(drained.reply());
  context.Settle();
  context.io().Stop();
  context.world.kill_gate.Open();
  context.End();
  // Either the stop was settled first, or the drain says that it was not.
  const auto answer = HostContext::Answer(drained);
  const bool settled = HostContext::Answer(stop).ok();
  CHECK(answer.ok() == settled);
}

TEST_CASE("each answer comes, also when the daemon ends in the middle", "[daemon][shutdown]") {
  HostContext context;
  REQUIRE_OK(context.Create("old"));
  context.world.Plan({.agent = testing::AgentMode::kOff});
  auto create = context.BeginCreate(HostContext::Spec("web"));
  context.MustSee("web", "running");
  Awaited<std::vector<state::Event>> events;
  context.host().NextEvents(context.LastEvent(), 10, {}, events.reply());
  context.Settle();
  context.End();
  CHECK(HostContext::Answer(create).status().code() == absl::StatusCode::kCancelled);
  CHECK(HostContext::Answer(events).status().code() == absl::StatusCode::kCancelled);
  CHECK(context.world.Running() == std::set<std::string>{"old", "web"});
}

}  // namespace
}  // namespace ember::daemon
