#include "daemon/guest_clock.h"

#include <stop_token>

#include "daemon/agent_call.h"
#include "tests/daemon/forward_context.h"

namespace ember::daemon {
namespace {

using agent::v1::AgentFrame;
using agent::v1::ClientFrame;
using testing::AgentMode;
using testing::ValueOf;

class CareContext : public ForwardContext {
 public:
  Awaited<AgentFrame> BeginAsk(const ClientFrame& question, std::stop_token cancelled = {}) {
    Awaited<ReachedVm> vm;
    host().Reach("web", vm.reply());
    Awaited<AgentFrame> answer;
    AskVm(io(), ValueOf(Answer(vm)), question, "care", absl::Seconds(30), answer.reply(),
          std::move(cancelled));
    return answer;
  }
  static ClientFrame WaitPort(uint16_t port) {
    ClientFrame question;
    question.mutable_wait_port()->set_tcp_port(port);
    return question;
  }
  bool Eventually(const std::function<bool()>& holds) {
    const Cancellation limit = Soon();
    while (!holds()) {
      if (!limit.Pause(absl::Milliseconds(2), "care").ok() || limit.done()) return false;
    }
    return true;
  }
  testing::FakeAgent::Guest& guest() { return *world.AgentOf("web"); }
};

TEST_CASE("a guest that is resumed is told the time and given randomness", "[daemon][care]") {
  CareContext context;
  REQUIRE_OK(context.Pause("web"));
  CHECK(context.guest().clock_ns == 0);
  const int64_t before = absl::GetCurrentTimeNanos();
  REQUIRE_OK(context.Resume("web"));
  CHECK(context.Eventually([&context] { return context.guest().clock_ns != 0; }));
  CHECK(context.guest().clock_ns >= before);
  CHECK(context.guest().entropy_bytes == 64);
}

TEST_CASE("a guest whose agent can't set its clock is resumed all the same", "[daemon][care]") {
  CareContext context;
  context.world.Change("web", [](testing::GuestPlan& plan) { plan.agent = AgentMode::kOlder; });
  REQUIRE_OK(context.Pause("web"));
  CHECK(ValueOf(context.Resume("web")).record.state == state::VmState::kRunning);
}

TEST_CASE("a wait for a port is answered once something listens", "[daemon][care]") {
  CareContext context;
  const uint16_t port = FreePort();
  auto answer = context.BeginAsk(CareContext::WaitPort(port));
  REQUIRE(context.Eventually([&context] { return context.guest().port_waits == 1; }));
  const UniqueFd listener = ValueOf(ListenTcp("127.0.0.1", port));
  CHECK(ValueOf(HostContext::Answer(answer)).has_done());
}

TEST_CASE("a wait for a port that is cancelled ends in the guest too", "[daemon][care]") {
  CareContext context;
  std::stop_source stop;
  auto answer = context.BeginAsk(CareContext::WaitPort(FreePort()), stop.get_token());
  REQUIRE(context.Eventually([&context] { return context.guest().port_waits == 1; }));
  stop.request_stop();
  CHECK(absl::IsCancelled(HostContext::Answer(answer).status()));
  CHECK(context.Eventually([&context] { return context.guest().port_waits == 0; }));
}

TEST_CASE("statistics are the agent's answer", "[daemon][care]") {
  CareContext context;
  ClientFrame question;
  question.mutable_get_stats();
  auto answer = context.BeginAsk(question);
  CHECK(ValueOf(HostContext::Answer(answer)).stats().vcpus() == 2);
}

}  // namespace
}  // namespace ember::daemon
