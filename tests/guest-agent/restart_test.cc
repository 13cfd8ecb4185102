#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <iterator>

#include "tests/guest-agent/detached_client.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;

namespace {

// Restarts the agent in place and waits until the new one serves.
void Restart(const AgentProcess& agent) {
  FramedClient old(agent);
  REQUIRE(kill(agent.pid(), SIGHUP) == 0);
  // An open session ends with the old one.
  CHECK_FALSE(old.Receive().has_value());
  REQUIRE(Eventually([&agent] { return ConnectUnix(agent.framed_path()).ok(); }));
}

// A shell line that counts, one number for each file DIR/N that appears, and ends with code 3 at
// the third.
std::string Counting(const TempDir& dir) {
  return "for i in 1 2 3; do until [ -e " + dir.path().native() +
         "/$i ]; do sleep 0.01; done; echo out $i; echo err $i >&2; done; exit 3";
}
void Count(const TempDir& dir, int number) {
  REQUIRE_OK(WriteFileAtomically(dir / std::to_string(number), "", 0600));
}

size_t OpenDescriptors(const AgentProcess& agent) {
  const auto folder = fmt::format("/proc/{}/fd", agent.pid());
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

TEST_CASE("a detached process lives through restarts, with its output and its end",
          "[agent][restart]") {
  AgentProcess agent;
  TempDir dir;
  const auto started = Launch(agent, Detached(Shell(Counting(dir)), "job"));
  Count(dir, 1);
  REQUIRE(Eventually([&agent] { return Contains(Logs(agent, "job").err, "err 1"); }));
  const v1::Process before = EntryOf(agent, "job");
  Restart(agent);
  CHECK(EntryOf(agent, "job").SerializeAsString() == before.SerializeAsString());
  CHECK(IsAlive(static_cast<pid_t>(started.pid())));
  CHECK(Run(agent, Detached(Command({"true"}), "job")).failure->reason() == v1::Failure::EXISTS);

  Count(dir, 2);
  REQUIRE(Eventually([&agent] { return Contains(Logs(agent, "job").err, "err 2"); }));
  Restart(agent);
  FramedClient follower(agent);
  Follow(follower, Following("job"));
  Count(dir, 3);
  const auto outcome = follower.Finish();
  CHECK(outcome.out == "out 1\nout 2\nout 3\n");
  CHECK(outcome.err == "err 1\nerr 2\nerr 3\n");
  CHECK(outcome.code == 3);
  Restart(agent);
  CHECK(Logs(agent, "job").code == 3);
  CHECK(Logs(agent, "job").out == outcome.out);
}

TEST_CASE("an end while nobody looks is seen by the next agent", "[agent][restart]") {
  AgentProcess agent;
  TempDir dir;
  Launch(agent, Detached(Shell("until [ -e " + (dir / "go").native() +
                               " ]; do sleep 0.01; done; echo bye; exit 9"),
                         "job"));
  // Keeps the old one from going for a while: its process ignores the hang-up.
  FramedClient session(agent);
  session.Start(Shell("trap '' HUP; touch " + (dir / "go").native() + "; echo ready; sleep 0.3"));
  session.WaitForOutput("ready");
  Restart(agent);
  const auto outcome = Follow(agent, Following("job"));
  CHECK(outcome.out == "bye\n");
  CHECK(outcome.code == 9);
}

TEST_CASE("a terminal lives through a restart", "[agent][restart]") {
  AgentProcess agent;
  auto start = Shell("stty -echo; echo ready; while read a; do echo got $a; done; exit 5");
  start.mutable_tty()->set_rows(30);
  Launch(agent, Detached(start, "shell"));
  REQUIRE(Eventually([&agent] { return Contains(Logs(agent, "shell").out, "ready"); }));
  Restart(agent);
  FramedClient client(agent);
  auto attach = Following("shell");
  attach.set_attach(true);
  CHECK(Follow(client, attach).tty());
  client.Input("one\n");
  client.WaitForOutput("got one");
  client.EndInput();
  CHECK(client.Finish().code == 5);
}

TEST_CASE("a restart hangs up the sessions and loses no descriptor", "[agent][restart]") {
  AgentProcess agent;
  TempDir dir;
  Launch(agent, Detached(Command({"sleep", "1000"}), "job"));
  Restart(agent);
  Run(agent, Command({"true"}));  // now all that it opens at its start is open
  // Sessions that are just ending may count: fewer than there are restarts, so a leak shows.
  const size_t before = OpenDescriptors(agent);
  constexpr int kRestarts = 12;
  for (int i = 0; i < kRestarts; ++i) {
    FramedClient session(agent);
    const auto started = session.Start(Command({"sleep", "1000"}));
    Restart(agent);
    CHECK_FALSE(session.Receive().has_value());
    CHECK_FALSE(IsAlive(static_cast<pid_t>(started.pid())));
  }
  CHECK(Eventually([&] { return OpenDescriptors(agent) <= before; }));
  CHECK(Run(agent, Shell("env")).out.find("EMBER_RESTART") == std::string::npos);
  // Its children have the limit of descriptors that the first agent was given.
  CHECK(Run(agent, Shell("ulimit -Sn")).out == [] {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    return fmt::format("{}\n", files.rlim_cur);
  }());
}

TEST_CASE("an agent that was restarted ends as another", "[agent][restart]") {
  AgentProcess agent;
  const auto started = Launch(agent, Detached(Command({"sleep", "1000"}), "job"));
  Restart(agent);
  CHECK(ValueOf(agent.Stop()).code == 0);
  CHECK_FALSE(IsAlive(static_cast<pid_t>(started.pid())));
  CHECK_FALSE(ConnectUnix(agent.framed_path()).ok());
}
