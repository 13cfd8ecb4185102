#include <csignal>

#include "tests/daemon/exec_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

ExecResult Code(int code) { return {.code = code}; }

void CheckWentAway(const absl::Status& status) {
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(ReasonOf(status) == "VM_WENT_AWAY");
  CHECK(Contains(TextOf(status), "vm 'web' went away"));
}

TEST_CASE("a command's output and code come back", "[daemon][exec]") {
  ExecContext context;
  const auto echo = context.Begin({"echo", "hello", "world"});
  CHECK(ValueOf(echo.client->AwaitEnd()) == Code(0));
  CHECK(echo.client->out == "hello world\n");
  const auto err = context.Begin({"err", "oh no"});
  CHECK(ValueOf(err.client->AwaitEnd()) == Code(0));
  CHECK(err.client->err == "oh no\n");
  CHECK(err.client->out.empty());
  CHECK(ValueOf(context.Exec({"exit", "7"})) == Code(7));
}

TEST_CASE("a command gets its environment", "[daemon][exec]") {
  ExecContext context;
  ExecCommand command;
  command.argv = {"env", "COLOUR"};
  command.env = {{"COLOUR", "blue"}};
  const auto run = context.BeginWith(command);
  CHECK(ValueOf(run.client->AwaitEnd()) == Code(0));
  CHECK(run.client->out == "blue");
}

TEST_CASE("input reaches the command and is given back as credit", "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"cat"});
  REQUIRE_OK(run.client->AwaitStart());
  CHECK(run.client->credit == 64 << 10);
  context.On([&] {
    run.session->Input("some bytes");
    run.session->InputEnd();
  });
  CHECK(ValueOf(run.client->AwaitEnd()) == Code(0));
  CHECK(run.client->out == "some bytes");
  CHECK(run.client->credit == (64 << 10) + 10);
}

TEST_CASE("input beyond the credit ends the session", "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"cat"});
  REQUIRE_OK(run.client->AwaitStart());
  context.On([&] { run.session->Input(std::string((64 << 10) + 1, 'x')); });
  CHECK(run.client->AwaitEnd().status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a signal reaches the command, which ends by it", "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"sleep"});
  REQUIRE_OK(run.client->AwaitStart());
  context.On([&] { run.session->Signal(SIGTERM); });
  CHECK(ValueOf(run.client->AwaitEnd()) == ExecResult{.signal = SIGTERM});
}

TEST_CASE("a command that takes too long is killed", "[daemon][exec]") {
  ExecContext context;
  ExecCommand command;
  command.timeout = absl::Milliseconds(100);
  SECTION("and reports it") { command.argv = {"sleep"}; }
  SECTION("and is given up when it does not even report that") { command.argv = {"deaf"}; }
  const auto run = context.BeginWith(command);
  CHECK(ValueOf(run.client->AwaitEnd()) == ExecResult{.signal = SIGKILL, .timed_out = true});
}

TEST_CASE("a very long time-out is long", "[daemon][exec]") {
  ExecContext context;
  ExecCommand command;
  command.argv = {"cat"};
  command.timeout = absl::Hours(24 * 365) * 1e6;
  const auto run = context.BeginWith(command);
  REQUIRE_OK(run.client->AwaitStart());
  context.On([&] { run.session->InputEnd(); });
  CHECK(ValueOf(run.client->AwaitEnd()) == Code(0));
}

TEST_CASE("a cancelled exec hangs up on the guest", "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"sleep"});
  REQUIRE_OK(run.client->AwaitStart());
  context.On([&] { run.session->Cancel(); });
  CHECK(run.client->AwaitEnd().status().code() == absl::StatusCode::kCancelled);
  const auto guest = context.world.AgentOf("web");
  while (guest->hangups == 0) context.world.Settle();
  context.On([&] { run.session->Cancel(); });
  CHECK(run.client->ends == 1);
}

TEST_CASE("a client that takes no output holds the guest back", "[daemon][exec]") {
  constexpr uint64_t kFlood = 16 << 20;
  ExecContext context;
  const auto run =
      context.Begin({"flood", std::to_string(kFlood)}, CollectingClient::Taking::kNever);
  while (run.client->output_bytes < ExecSession::kOutputWindow) context.On([] {});
  // What is in sockets on the way is bounded too: the guest has sent little of its flood.
  context.On([] {});
  context.world.Settle();
  CHECK(run.client->output_bytes < 2 * ExecSession::kOutputWindow);
  CHECK(context.world.AgentOf("web")->bytes_sent < kFlood / 4);
  CHECK(run.client->ends == 0);

  SECTION("and gets all of it when it goes on") {
    uint64_t taken = 0;
    while (run.client->ends == 0) {
      context.On([&] {
        const uint64_t now = run.client->output_bytes;
        run.session->OutputTaken(now - std::exchange(taken, now));
      });
    }
    CHECK(ValueOf(run.client->AwaitEnd()) == Code(0));
    CHECK(run.client->output_bytes == kFlood);
  }
  SECTION("and may leave") {
    context.On([&] { run.session->Cancel(); });
    CHECK_FALSE(run.client->AwaitEnd().ok());
  }
}

TEST_CASE("a connection that is lost after the start is VM_WENT_AWAY, once", "[daemon][exec]") {
  ExecContext context;
  const auto guest = context.world.AgentOf("web");
  const int before = guest->execs;
  SECTION("the agent closes") {
    const auto run = context.Begin({"vanish"});
    CheckWentAway(run.client->AwaitEnd().status());
    CHECK(run.client->ends == 1);
  }
  SECTION("the machine ends") {
    const auto run = context.Begin({"sleep"});
    REQUIRE_OK(run.client->AwaitStart());
    context.world.End("web", 1);
    CheckWentAway(run.client->AwaitEnd().status());
    CHECK(run.client->ends == 1);
  }
  // It is never tried a second time.
  CHECK(guest->execs == before + 1);
}

TEST_CASE("an agent that talks nonsense ends the session, not the daemon", "[daemon][exec]") {
  ExecContext context;
  const AgentMode mode = GENERATE(AgentMode::kGarbage, AgentMode::kCutShort);
  context.world.Change("web", [mode](auto& plan) { plan.agent = mode; });
  CheckWentAway(context.Exec({"echo"}).status());
  CHECK(ValueOf(context.Get("web")).record.state == state::VmState::kRunning);
}

TEST_CASE("a dial is repeated until the agent is there", "[daemon][exec]") {
  ExecContext context;
  context.world.Change("web", [](auto& plan) { plan.refused_dials = 3; });
  CHECK(ValueOf(context.Exec({"exit", "0"})) == Code(0));
  CHECK(context.world.AgentOf("web")->execs == 1);
}

TEST_CASE("what the agent refuses is told with its reason", "[daemon][exec]") {
  ExecContext context;
  const absl::Status missing = context.Exec({"missing"}).status();
  CHECK(missing.code() == absl::StatusCode::kNotFound);
  CHECK(ReasonOf(missing) == "EXEC_NOT_FOUND");
  CHECK(Contains(TextOf(missing), "missing: not found"));
  const absl::Status locked = context.Exec({"locked"}).status();
  CHECK(locked.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ReasonOf(locked) == "EXEC_CANNOT_EXECUTE");
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kTooOld; });
  CHECK(ReasonOf(context.Exec({"echo"}).status()) == "AGENT_VERSION");
}

TEST_CASE("a command too large for a frame is refused", "[daemon][exec]") {
  ExecContext context;
  const absl::Status refused = context.Exec({"echo", std::string(2 << 20, 'x')}).status();
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
  CHECK(Contains(TextOf(refused), "too large"));
}

TEST_CASE("a guest that asks for more input than it takes can't fill the daemon",
          "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"greedy"});
  REQUIRE_OK(run.client->AwaitStart());
  for (int i = 0; i < 16 && run.client->ends == 0; ++i) {
    context.On([&] { run.session->Input(std::string(2 << 20, 'x')); });
  }
  CHECK(run.client->AwaitEnd().status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("what comes before the start or after the end is dropped", "[daemon][exec]") {
  ExecContext context;
  const auto run = context.Begin({"stuck"});
  context.On([&] {
    run.session->Input("early");
    run.session->OutputTaken(0);
    run.session->Signal(SIGINT);
    run.session->Cancel();
    run.session->Input("late");
    run.session->OutputTaken(5);
    run.session->InputEnd();
  });
  CHECK_FALSE(run.client->AwaitEnd().ok());
  CHECK(run.client->ends == 1);
}

TEST_CASE("output can be acknowledged before there is a connection", "[daemon][exec]") {
  ExecContext context;
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kOff; });
  const auto run = context.Begin({"echo"});
  context.On([&] {
    run.session->OutputTaken(0);
    run.session->Cancel();
  });
  CHECK_FALSE(run.client->AwaitEnd().ok());
}

TEST_CASE("exec in a VM that does not run is refused", "[daemon][exec]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  Awaited<std::shared_ptr<ExecSession>> answer;
  auto client = std::make_shared<CollectingClient>();
  context.host().Exec({.vm_name = "web", .argv = {"echo"}}, client, answer.reply());
  const absl::Status refused = HostContext::Answer(answer).status();
  CHECK(refused.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(TextOf(refused) == "vm 'web' is created, not running");
  CHECK(client->ends == 0);
}

}  // namespace
}  // namespace ember::daemon
