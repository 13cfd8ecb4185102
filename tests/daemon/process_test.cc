#include "daemon/agent_call.h"
#include "tests/daemon/exec_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

// Detached processes, and what only a newer agent can do.
namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::Contains;
using testing::TextOf;
using testing::ValueOf;

struct ProcessContext : ExecContext {
  // Follows a process of the VM "web".
  Run BeginFollow(FollowRequest request) {
    request.vm_name = "web";
    const auto start = [&](const std::shared_ptr<CollectingClient>& client) {
      return ExecSession::Follow(io(), Reached().machine, request, kReachLimit, client);
    };
    return BeginSession(start);
  }
  ReachedVm Reached() {
    Awaited<ReachedVm> answer;
    host().Reach("web", answer.reply());
    return ValueOf(Answer(answer));
  }
  absl::StatusOr<agent::v1::AgentFrame> Ask(agent::v1::ClientFrame question) {
    Awaited<agent::v1::AgentFrame> answer;
    AskVm(io(), Reached(), std::move(question), "processes", absl::Seconds(10), answer.reply());
    return Answer(answer);
  }
};

void CheckTooOld(const absl::Status& status) {
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ReasonOf(status) == "AGENT_TOO_OLD");
  CHECK(Contains(TextOf(status), "vm 'web'"));
}

TEST_CASE("a detached start ends the session and leaves the process", "[daemon][process]") {
  ProcessContext context;
  ExecCommand command;
  command.argv = {"sleep"};
  command.detach = "job";
  const auto run = context.BeginWith(command);
  CHECK(ValueOf(run.client->AwaitEnd()) == ExecResult{});
  CHECK(run.client->started.tag == "job");
  CHECK(run.client->started.pid == 4711);
  CHECK(context.world.AgentOf("web")->hangups == 0);
}

TEST_CASE("what an older agent would pass over is not sent to it", "[daemon][process]") {
  ProcessContext context;
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kOlder; });
  ExecCommand command;
  command.argv = {"sleep"};
  SECTION("a umask") { command.umask = 027; }
  SECTION("a limit") { command.limits = {{"nofile", 10, 10}}; }
  SECTION("to detach") { command.detach = ""; }
  const auto before = context.world.AgentOf("web")->requests.load();
  const auto run = context.BeginWith(command);
  CheckTooOld(run.client->AwaitEnd().status());
  CHECK(context.world.AgentOf("web")->requests == before);
}

TEST_CASE("an older agent is neither followed nor asked", "[daemon][process]") {
  ProcessContext context;
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kOlder; });
  CheckTooOld(context.BeginFollow({.tag = "job"}).client->AwaitEnd().status());
  agent::v1::ClientFrame question;
  question.mutable_list_processes();
  CheckTooOld(context.Ask(question).status());
}

TEST_CASE("who asks an agent that goes away learns that it may be done", "[daemon][process]") {
  ProcessContext context;
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kCutShort; });
  agent::v1::ClientFrame question;
  question.mutable_signal_process()->set_tag("job");
  const absl::Status status = context.Ask(question).status();
  CHECK(absl::IsUnavailable(status));
  CHECK(ReasonOf(status) == "VM_WENT_AWAY");
  CHECK(Contains(TextOf(status), "vm 'web'"));
}

TEST_CASE("an older agent still runs what every agent can", "[daemon][process]") {
  ProcessContext context;
  context.world.Change("web", [](auto& plan) { plan.agent = AgentMode::kOlder; });
  CHECK(ValueOf(context.Exec({"exit", "5"})) == ExecResult{.code = 5});
}

TEST_CASE("a follower gets what is kept, what is lost, and the end", "[daemon][process]") {
  ProcessContext context;
  const auto kept = context.BeginFollow({.tag = "job"});
  CHECK(ValueOf(kept.client->AwaitEnd()) == ExecResult{});
  CHECK(kept.client->out == "kept\n");
  CHECK(kept.client->lost == 5);
  const auto all = context.BeginFollow({.tag = "job", .follow = true});
  CHECK(ValueOf(all.client->AwaitEnd()) == ExecResult{.code = 3});
  CHECK(all.client->out == "kept\nmore\n");
}

TEST_CASE("input goes to the terminal that is attached to", "[daemon][process]") {
  ProcessContext context;
  const auto run = context.BeginFollow({.tag = "shell", .attach = true});
  REQUIRE_OK(run.client->AwaitStart());
  CHECK(run.client->started.tty);
  context.On([&] {
    run.session->Input("typed");
    run.session->InputEnd();
  });
  CHECK(ValueOf(run.client->AwaitEnd()) == ExecResult{.code = 0});
  CHECK(run.client->out == "typed");
}

TEST_CASE("the end of a reader's input is not sent to what it only reads", "[daemon][process]") {
  ProcessContext context;
  const auto run = context.BeginFollow({.tag = "shell", .follow = true});
  REQUIRE_OK(run.client->AwaitStart());
  context.On([&] {
    run.session->InputEnd();
    run.session->Signal(15);
    run.session->Resize({});
    run.session->Cancel();
  });
  CHECK(run.client->AwaitEnd().status().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("an end of input that comes before the connection is not lost", "[daemon][process]") {
  ProcessContext context;
  ExecCommand command;
  command.argv = {"cat"};
  SECTION("of a command that is sent at once") {}
  SECTION("of one that waits for the agent's greeting") { command.umask = 022; }
  command.vm_name = "web";
  const auto start = [&](const std::shared_ptr<CollectingClient>& client) {
    return ExecSession::Start(context.io(), context.Reached().machine, command, kReachLimit,
                              client);
  };
  const auto run = context.BeginSession(start, CollectingClient::Taking::kAtOnce,
                                        [](ExecSession& session) { session.InputEnd(); });
  CHECK(ValueOf(run.client->AwaitEnd()) == ExecResult{.code = 0});
}

TEST_CASE("processes that are not there are not found, and nothing else", "[daemon][process]") {
  ProcessContext context;
  const absl::Status status = context.BeginFollow({.tag = "nope"}).client->AwaitEnd().status();
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(ReasonOf(status) == "GUEST_NOT_FOUND");
  agent::v1::ClientFrame question;
  question.mutable_signal_process()->set_tag("nope");
  CHECK(context.Ask(question).status().code() == absl::StatusCode::kNotFound);
  question.mutable_signal_process()->set_tag("ended");
  CHECK(context.Ask(question).status().code() == absl::StatusCode::kFailedPrecondition);
  question.mutable_signal_process()->set_tag("job");
  CHECK(ValueOf(context.Ask(question)).has_done());
}

TEST_CASE("a VM that goes away while it is followed is told as that", "[daemon][process]") {
  ProcessContext context;
  const auto run = context.BeginFollow({.tag = "shell", .follow = true});
  REQUIRE_OK(run.client->AwaitStart());
  context.world.End("web", 1);
  const absl::Status status = run.client->AwaitEnd().status();
  CHECK(ReasonOf(status) == "VM_WENT_AWAY");
  CHECK(Contains(TextOf(status), "the process may go on"));
}

}  // namespace
}  // namespace ember::daemon
