#include <csignal>

#include "tests/guest-agent/detached_client.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;

namespace {

// A shell line that goes on until the file `go` is there, then says so and ends with code 3.
std::string UntilGo(const TempDir& dir) {
  return "echo begin; until [ -e " + (dir / "go").native() + " ]; do sleep 0.01; done; " +
         "echo end; exit 3";
}
void Go(const TempDir& dir) { REQUIRE_OK(WriteFileAtomically(dir / "go", "", 0600)); }

v1::ExecStart OnTerminal(v1::ExecStart start) {
  start.mutable_tty()->set_rows(30);
  start.mutable_tty()->set_columns(100);
  return start;
}

v1::FollowProcess Attaching(const std::string& tag) {
  v1::FollowProcess follow = Following(tag);
  follow.set_attach(true);
  return follow;
}

}  // namespace

TEST_CASE("a detached process outlives its session and keeps its output", "[agent][detached]") {
  AgentProcess agent;
  TempDir dir;
  const auto started = Launch(agent, Detached(Shell(UntilGo(dir)), "job"));
  CHECK(started.tag() == "job");
  CHECK(IsAlive(static_cast<pid_t>(started.pid())));
  REQUIRE(Eventually([&agent] { return Logs(agent, "job").out == "begin\n"; }));
  CHECK(Logs(agent, "job").follow_ended);

  FramedClient follower(agent);
  Follow(follower, Following("job"));
  Go(dir);
  const auto outcome = follower.Finish();
  CHECK(outcome.out == "begin\nend\n");
  CHECK(outcome.code == 3);
  // Its end and output stay.
  CHECK(Logs(agent, "job").code == 3);
  CHECK(Logs(agent, "job").out == "begin\nend\n");
  CHECK(agent.Children().empty());
}

TEST_CASE("a detached process reads nothing from its input", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Shell("cat; readlink /proc/self/fd/0"), "job"));
  CHECK(Follow(agent, Following("job")).out == "/dev/null\n");
}

TEST_CASE("streams are told apart and stay in order", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Shell("echo one; echo two >&2"), "job"));
  const auto outcome = Follow(agent, Following("job"));
  CHECK(outcome.out == "one\n");
  CHECK(outcome.err == "two\n");
}

TEST_CASE("only the tail is sent where that is asked for", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Shell("printf 0123456789"), "job"));
  REQUIRE(Follow(agent, Following("job")).out == "0123456789");
  auto follow = Following("job");
  follow.set_tail_bytes(3);
  CHECK(Follow(agent, follow).out == "789");
  follow.set_tail_bytes(UINT64_MAX);
  CHECK(Follow(agent, follow).out == "0123456789");
}

TEST_CASE("a tag is made up, checked, and taken while its process runs", "[agent][detached]") {
  AgentProcess agent;
  const auto reason = [&agent](const std::string& tag) {
    return Run(agent, Detached(Command({"true"}), tag)).failure->reason();
  };
  const auto first = Launch(agent, Detached(Command({"sleep", "1000"}), ""));
  const auto second = Launch(agent, Detached(Command({"sleep", "1000"}), ""));
  CHECK_FALSE(first.tag().empty());
  CHECK(first.tag() != second.tag());
  CHECK(reason(first.tag()) == v1::Failure::EXISTS);
  for (const std::string bad : {"a b", "../x", "ä"}) CHECK(reason(bad) == v1::Failure::BAD_REQUEST);
  CHECK(reason(std::string(64, 'x')) == v1::Failure::BAD_REQUEST);
  CHECK(Launch(agent, Detached(Command({"true"}), std::string(63, 'x'))).tag().size() == 63);
}

TEST_CASE("an ended process gives its tag to a new one", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Shell("echo first"), "job"));
  REQUIRE(Follow(agent, Following("job")).code == 0);
  Launch(agent, Detached(Shell("echo second"), "job"));
  CHECK(Follow(agent, Following("job")).out == "second\n");
  CHECK(ListOf(agent).processes_size() == 1);
}

TEST_CASE("what can't be started leaves no tag", "[agent][detached]") {
  AgentProcess agent;
  const auto outcome = Run(agent, Detached(Command({"no-such-program"}), "job"));
  CHECK(outcome.failure->reason() == v1::Failure::NOT_FOUND);
  CHECK(ListOf(agent).processes_size() == 0);
}

TEST_CASE("of many that have ended the last are kept", "[agent][detached]") {
  AgentProcess agent;
  for (int i = 0; i < 70; ++i) {
    Launch(agent, Detached(Command({"true"}), fmt::format("job-{}", i)));
    REQUIRE(Follow(agent, Following(fmt::format("job-{}", i))).code == 0);
  }
  const auto list = ListOf(agent);
  REQUIRE(list.processes_size() == 64);
  CHECK(list.processes(0).tag() == "job-6");
  CHECK(list.processes(63).tag() == "job-69");
}

TEST_CASE("processes are listed by their start, those of sessions too", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Shell("printf 12345; exit 7"), "first"));
  REQUIRE(Follow(agent, Following("first")).code == 7);
  FramedClient session(agent);
  const auto in_session = session.Start(OnTerminal(Command({"sleep", "1000"})));
  const auto last = Launch(agent, Detached(Command({"sleep", "1000"}), "last"));

  const auto list = ListOf(agent);
  REQUIRE(list.processes_size() == 3);
  const v1::Process& first = list.processes(0);
  CHECK(first.tag() == "first");
  CHECK_FALSE(first.running());
  CHECK(first.exited().code() == 7);
  CHECK(first.output_bytes() == 5);
  CHECK(first.output_lost_bytes() == 0);
  CHECK(first.started_unix_ms() > 1'600'000'000'000);
  CHECK(list.processes(1).tag().empty());
  CHECK(list.processes(1).pid() == in_session.pid());
  CHECK(list.processes(1).running());
  CHECK(list.processes(1).tty());
  CHECK(list.processes(1).argv(1) == "1000");
  CHECK(list.processes(2).pid() == last.pid());
  CHECK(list.processes(2).running());

  session.Close();
  CHECK(Eventually([&agent] { return ListOf(agent).processes_size() == 2; }));
}

TEST_CASE("a list of long command lines still fits a frame", "[agent][detached]") {
  AgentProcess agent;
  // Two bytes a character: a cut must not halve one.
  std::string word(1, 'x');
  for (int i = 0; i < 4000; ++i) word += "\xc3\xa4";
  for (int i = 0; i < 200; ++i) {
    Launch(agent, Detached(Command({"sh", "-c", "sleep 1000", word}), fmt::format("job-{}", i)));
  }
  const auto list = ListOf(agent);
  REQUIRE(list.processes_size() == 200);
  CHECK(list.processes(0).argv(0) == "sh");
}

TEST_CASE("a process that nobody reads does not wait, and what is lost is told",
          "[agent][detached]") {
  AgentProcess agent;
  constexpr uint64_t kWritten = 3 << 20;
  Launch(agent, Detached(Shell("head -c 3145728 /dev/zero"), "job"));
  REQUIRE(Eventually([&agent] { return !EntryOf(agent, "job").running(); }));
  const auto outcome = Follow(agent, Following("job"));
  CHECK(outcome.code == 0);
  CHECK(outcome.out.size() == 1 << 20);
  CHECK(outcome.lost == kWritten - (1 << 20));
  CHECK(EntryOf(agent, "job").output_bytes() == kWritten);
  CHECK(EntryOf(agent, "job").output_lost_bytes() == outcome.lost);
}

TEST_CASE("a follower that does not read loses output, the others do not and memory stays",
          "[agent][detached]") {
  AgentProcess agent;
  TempDir dir;
  constexpr uint64_t kWritten = uint64_t{64} << 20;
  Launch(agent, Detached(Shell("until [ -e " + (dir / "go").native() +
                               " ]; do sleep 0.01; done; head -c 67108864 /dev/zero"),
                         "job"));
  FramedClient hostile(agent);
  Follow(hostile, Following("job"));
  const size_t before = agent.StatusKib("VmRSS");
  Go(dir);
  REQUIRE(Eventually([&agent] { return !EntryOf(agent, "job").running(); }));
  // What the ring, a queue and the parts of the allocator may take; far less than was written.
  CHECK(agent.StatusKib("VmRSS") - before < kWritten / 2 / 1024);
  const auto outcome = hostile.Finish();
  CHECK(outcome.lost > 0);
  CHECK(outcome.out.size() + outcome.lost == kWritten);
  CHECK(outcome.code == 0);
}

TEST_CASE("several followers get the same, and one that goes changes nothing",
          "[agent][detached]") {
  AgentProcess agent;
  TempDir dir;
  Launch(agent, Detached(Shell(UntilGo(dir)), "job"));
  FramedClient gone(agent), one(agent), other(agent);
  for (FramedClient* client : {&gone, &one, &other}) Follow(*client, Following("job"));
  gone.WaitForOutput("begin");
  gone.Close();
  Go(dir);
  CHECK(one.Finish().out == "begin\nend\n");
  CHECK(other.Finish().out == "begin\nend\n");
}

TEST_CASE("signals reach the group or the process alone", "[agent][detached]") {
  AgentProcess agent;
  // Ends its child by hand, which works only if the child has got no signal of its own.
  const std::string line = "trap 'kill $! && echo alone; exit' USR1; sleep 1000 & echo ready; wait";
  Launch(agent, Detached(Shell(line), "job"));
  FramedClient follower(agent);
  Follow(follower, Following("job"));
  follower.WaitForOutput("ready");
  CHECK(SignalTagged(agent, "job", SIGUSR1, true).done);
  CHECK(follower.Finish().out == "alone\n");

  Launch(agent, Detached(Command({"sleep", "1000"}), "sleep"));
  CHECK(SignalTagged(agent, "sleep", SIGKILL).done);
  CHECK(Follow(agent, Following("sleep")).signal == SIGKILL);
}

TEST_CASE("what is asked of no process, or of one that has ended, is told", "[agent][detached]") {
  AgentProcess agent;
  CHECK(Logs(agent, "nope").failure->reason() == v1::Failure::NOT_FOUND);
  CHECK(SignalTagged(agent, "nope", SIGTERM).failure->reason() == v1::Failure::NOT_FOUND);
  Launch(agent, Detached(Shell("exit 4"), "job"));
  REQUIRE(Follow(agent, Following("job")).code == 4);
  CHECK(SignalTagged(agent, "job", 65).failure->reason() == v1::Failure::BAD_REQUEST);
  const auto outcome = SignalTagged(agent, "job", SIGTERM);
  CHECK(outcome.failure->reason() == v1::Failure::CANNOT_EXECUTE);
  CHECK(Contains(outcome.failure->message(), "'job' has ended already: exit code 4"));
}

TEST_CASE("a terminal lives on between those who attach", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(OnTerminal(Shell("stty -echo; echo ready; while read a; do echo got $a; "
                                          "stty size; done; exit 5")),
                         "shell"));
  {
    FramedClient client(agent);
    const auto started = Follow(client, Attaching("shell"));
    CHECK(started.tty());
    CHECK(started.stdin_credit() > 0);
    client.WaitForOutput("ready");
    client.Input("one\n");
    client.WaitForOutput("got one\r\n30 100");
  }
  FramedClient client(agent);
  auto attach = Attaching("shell");
  attach.set_tail_bytes(1);
  attach.mutable_tty()->set_rows(50);
  attach.mutable_tty()->set_columns(132);
  Follow(client, attach);
  client.Input("two\n");
  client.WaitForOutput("got two\r\n50 132");
  client.Resize(10, 20);
  client.Input("three\n");
  client.WaitForOutput("10 20");
  client.EndInput();
  CHECK(client.Finish().code == 5);
}

TEST_CASE("input goes to a terminal only, and only from who attaches", "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(Command({"sleep", "1000"}), "pipes"));
  Launch(agent, Detached(OnTerminal(Command({"sleep", "1000"})), "terminal"));
  const auto reason = [&agent](const v1::FollowProcess& follow) {
    FramedClient client(agent);
    Follow(client, follow);
    client.Input("x");
    return client.Finish().failure->reason();
  };
  CHECK(reason(Attaching("pipes")) == v1::Failure::BAD_REQUEST);
  CHECK(reason(Following("terminal")) == v1::Failure::BAD_REQUEST);
  FramedClient client(agent);
  CHECK(Follow(client, Attaching("pipes")).stdin_credit() == 0);
  client.Signal(SIGTERM);
  CHECK(client.Finish().signal == SIGTERM);
}

TEST_CASE("input of many who attach to a terminal that takes none is bounded",
          "[agent][detached]") {
  AgentProcess agent;
  Launch(agent, Detached(OnTerminal(Shell("stty raw; echo ready; sleep 1000")), "job"));
  std::optional<v1::Failure> refused;
  for (int i = 0; i < 100 && !refused.has_value(); ++i) {
    FramedClient client(agent);
    v1::ClientFrame frame;
    *frame.mutable_follow_process() = Attaching("job");
    client.Send(frame);
    const auto reply = client.Receive();
    REQUIRE(reply.has_value());
    if (reply->has_failure()) refused = reply->failure();
    if (reply->has_follow_started()) {
      client.Input(std::string(reply->follow_started().stdin_credit(), 'x'));
    }
  }
  REQUIRE(refused.has_value());
  CHECK(refused->reason() == v1::Failure::EXHAUSTED);
}

TEST_CASE("the agent's end hangs up what is detached", "[agent][detached]") {
  AgentProcess agent;
  TempDir dir;
  const auto polite =
      Launch(agent, Detached(Shell("exec 2>/dev/null; trap 'echo > " + (dir / "hup").native() +
                                   "; exit' HUP; echo ready; while :; do sleep 0.05; done"),
                             "polite"));
  const auto terminal = Launch(agent, Detached(OnTerminal(Command({"sleep", "1000"})), "terminal"));
  FramedClient follower(agent);
  Follow(follower, Following("polite"));
  follower.WaitForOutput("ready");
  CHECK(ValueOf(agent.Stop()).code == 0);
  CHECK_FALSE(IsAlive(static_cast<pid_t>(polite.pid())));
  CHECK_FALSE(IsAlive(static_cast<pid_t>(terminal.pid())));
  CHECK(ReadFile(dir / "hup").ok());
}
