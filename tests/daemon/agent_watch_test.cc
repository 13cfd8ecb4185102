#include <sys/eventfd.h>

#include "base/socket.h"
#include "daemon/agent_call.h"
#include "daemon/agent_watch.h"
#include "tests/support/catch.h"
#include "tests/support/fake_backend.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::ValueOf;

// One machine "web" and a watch of its agent.
class WatchContext {
 public:
  WatchContext() : io_(ValueOf(EventLoop::Create("io"))), backend_(world, *io_, {}) {
    io_->Start();
  }
  ~WatchContext() {
    watch_.reset();
    machine_.reset();
    Settle();
    io_->Stop();
    world.Settle();
  }

  void Launch(AgentMode mode) {
    world.Plan({.agent = mode});
    hypervisor::MachineSpec spec;
    spec.vm_name = "web";
    spec.dir = dir_.path();
    spec.guest_socket_prefix = socket();
    machine_ = ValueOf(backend_.Launch(spec, Soon()));
  }
  void Watch(AgentWatch::Periods periods) {
    watch_ = AgentWatch::Start(
        *io_, {}, socket(), machine_,
        [this](AgentState state) {
          state_ = state;
          ++changes;
          eventfd_write(changed_.get(), 1);
        },
        periods);
    Settle();
  }
  void Become(AgentMode mode) {
    world.Change("web", [mode](auto& plan) { plan.agent = mode; });
  }
  AgentState AwaitChange() {
    REQUIRE_OK(Soon().WaitReadable(changed_.get(), "a change of the agent"));
    eventfd_t ignored;
    eventfd_read(changed_.get(), &ignored);
    return state_;
  }
  absl::StatusOr<agent::v1::AgentFrame> Ask(absl::Duration limit) {
    Awaited<agent::v1::AgentFrame> answer;
    AskAgent(*io_, machine_, {}, limit, answer.reply());
    return answer.Wait(Soon(), "an answer");
  }
  void EndWatch() { watch_.reset(); }
  // Runs what is queued on both loops.
  void Settle() {
    for (int i = 0; i < 3; ++i) {
      Awaited<Done> done;
      io_->Post([reply = done.reply()]() mutable { reply(Done{}); });
      REQUIRE_OK(done.Wait(Soon(), "io"));
      world.Settle();
    }
  }
  std::filesystem::path socket() const { return dir_ / "vsock.sock"; }
  std::filesystem::path ready_socket() const { return dir_ / "vsock.sock_1026"; }

  testing::FakeWorld world;
  std::atomic<int> changes{0};

 private:
  static Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

  testing::TempDir dir_;
  UniqueFd changed_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  std::atomic<AgentState> state_{AgentState::kNone};
  std::unique_ptr<EventLoop> io_;
  testing::FakeBackend backend_;
  std::shared_ptr<hypervisor::Machine> machine_;
  std::unique_ptr<AgentWatch> watch_;
};

constexpr absl::Duration kNever = absl::Seconds(600);
constexpr absl::Duration kShort = absl::Milliseconds(50);

TEST_CASE("an agent that answers is ready", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kServe);
  context.Watch({});
  CHECK(context.AwaitChange() == AgentState::kReady);
}

TEST_CASE("a guest's call is noticed without polling", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kOff);
  context.Watch({.waiting = kNever});
  context.Become(AgentMode::kServe);
  context.world.Announce("web");
  CHECK(context.AwaitChange() == AgentState::kReady);
}

TEST_CASE("a guest that can't call is found by polling", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kOff);
  context.Watch({.waiting = kShort});
  context.Become(AgentMode::kServe);
  CHECK(context.AwaitChange() == AgentState::kReady);
}

TEST_CASE("unanswered probes change nothing until there are three in a row", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kServe);
  context.Watch({.ready = kShort, .doubt = kShort});
  CHECK(context.AwaitChange() == AgentState::kReady);
  SECTION("two") {
    context.world.Change("web", [](auto& plan) { plan.refused_dials = 2; });
    int left = 2;
    while (left > 0) context.world.Change("web", [&](auto& plan) { left = plan.refused_dials; });
    context.Settle();
    CHECK(context.changes == 1);
  }
  SECTION("three, and then an answer") {
    context.world.Change("web", [](auto& plan) { plan.refused_dials = 3; });
    CHECK(context.AwaitChange() == AgentState::kLost);
    CHECK(context.AwaitChange() == AgentState::kReady);
  }
  SECTION("an agent that hangs") {
    context.EndWatch();
    context.Watch({.probe_limit = kShort, .ready = kShort, .doubt = kShort});
    CHECK(context.AwaitChange() == AgentState::kReady);
    context.Become(AgentMode::kSilent);
    CHECK(context.AwaitChange() == AgentState::kLost);
  }
}

TEST_CASE("an agent that never answered is waited for, not lost", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kOff);
  context.world.Change("web", [](auto& plan) {
    plan.agent = AgentMode::kServe;
    plan.refused_dials = 6;
  });
  context.Watch({.waiting = absl::Milliseconds(5)});
  CHECK(context.AwaitChange() == AgentState::kReady);
  CHECK(context.changes == 1);
}

TEST_CASE("the end of a watch removes its socket", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kOff);
  context.Watch({.waiting = kNever});
  CHECK(std::filesystem::is_socket(context.ready_socket()));
  context.EndWatch();
  context.Settle();
  CHECK_FALSE(std::filesystem::exists(context.ready_socket()));
}

TEST_CASE("a question that no agent answers ends in time", "[daemon][agent]") {
  WatchContext context;
  context.Launch(AgentMode::kSilent);
  CHECK(context.Ask(kShort).status().code() == absl::StatusCode::kDeadlineExceeded);
  context.Become(AgentMode::kOff);
  CHECK(context.Ask(kNever).status().code() == absl::StatusCode::kUnavailable);
  context.Become(AgentMode::kCutShort);
  CHECK(context.Ask(kNever).status().code() == absl::StatusCode::kUnavailable);
  context.Become(AgentMode::kGarbage);
  CHECK(context.Ask(kNever).status().code() == absl::StatusCode::kDataLoss);
  context.Become(AgentMode::kServe);
  CHECK(ValueOf(context.Ask(kNever)).has_hello_reply());
}

}  // namespace
}  // namespace ember::daemon
