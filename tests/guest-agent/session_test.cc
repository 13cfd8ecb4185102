#include <sys/stat.h>

#include <csignal>
#include <set>
#include <string>

#include "tests/guest-agent/framed_client.h"

using namespace ember;
using namespace ember::testing;

TEST_CASE("a greeting is answered with version, capabilities and boot id", "[agent][session]") {
  AgentProcess agent;
  FramedClient client(agent.DialFramed());
  const auto reply = client.Greet(1);
  REQUIRE(reply.has_hello_reply());
  CHECK(reply.hello_reply().version().major() == 1);
  CHECK(reply.hello_reply().agent_version() == EMBER_VERSION);
  const auto& capabilities = reply.hello_reply().capabilities();
  CHECK(std::set<std::string>(capabilities.begin(), capabilities.end()) ==
        std::set<std::string>{"care", "exec", "files", "processes", "shutdown", "storage",
                              "streams", "tty"});
  CHECK(reply.hello_reply().boot_id() == ValueOf(HostBootId()));
  CHECK(reply.hello_reply().uptime_seconds() > 0);
}

TEST_CASE("an unknown major version is refused with both versions named", "[agent][session]") {
  AgentProcess agent;
  FramedClient client(agent.DialFramed());
  const auto reply = client.Greet(2);
  REQUIRE(reply.has_failure());
  CHECK(reply.failure().reason() == v1::Failure::VERSION);
  CHECK(reply.failure().message().find("version 2 is not known") != std::string::npos);
  CHECK_FALSE(client.Receive().has_value());
}

TEST_CASE("frames that break the protocol end the session as a bad request", "[agent][session]") {
  AgentProcess agent;
  SECTION("no greeting") {
    FramedClient client(agent.DialFramed());
    client.Signal(15);
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
  SECTION("a frame that is no message") {
    FramedClient client(agent.DialFramed());
    client.SendRaw(std::string("\x03\0\0\0\xff\xff\xff", 7));
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
  SECTION("a length over the limit") {
    FramedClient client(agent.DialFramed());
    client.SendRaw("\xff\xff\xff\xff");
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
  }
  SECTION("input over the credit, which also ends the process") {
    FramedClient client(agent);
    const auto started = client.Start(Command({"sleep", "1000"}));
    for (int i = 0; i < 2; ++i) client.Input(std::string(started.stdin_credit(), 'x'));
    CHECK(client.Finish().failure->reason() == v1::Failure::BAD_REQUEST);
    CHECK(Eventually([&started] { return !IsAlive(static_cast<pid_t>(started.pid())); }));
  }
}

TEST_CASE("a program gets its argv, environment and working directory", "[agent][session]") {
  AgentProcess agent;
  auto start = Shell("printf '%s|' \"$0\" \"$1\" \"$PWD\" \"$COLOR\" \"$USER\" \"$PATH\"");
  start.add_argv("zero arg");
  start.add_argv("it's one");
  start.set_cwd("/usr");
  (*start.mutable_env())["COLOR"] = "red";
  (*start.mutable_env())["USER"] = "laid over";
  const auto outcome = Run(agent, start);
  CHECK(outcome.out ==
        "zero arg|it's one|/usr|red|laid over|"
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|");
  CHECK(outcome.code == 0);
}

TEST_CASE("exit codes and signals are told apart", "[agent][session]") {
  AgentProcess agent;
  CHECK(Run(agent, Shell("exit 137")).code == 137);
  CHECK(Run(agent, Shell("kill -9 $$")).signal == SIGKILL);
  const auto outcome = Run(agent, Shell("echo out; echo err >&2"));
  CHECK(outcome.out == "out\n");
  CHECK(outcome.err == "err\n");
}

TEST_CASE("what can't be started names its reason", "[agent][session]") {
  AgentProcess agent;
  TempDir directory;
  const std::string script = directory / "script";
  const auto reason = [&agent](const v1::ExecStart& start) {
    const auto outcome = Run(agent, start);
    REQUIRE(outcome.failure.has_value());
    INFO(outcome.failure->message());
    CHECK_FALSE(outcome.failure->message().empty());
    return outcome.failure->reason();
  };
  REQUIRE_OK(WriteFileAtomically(script, "#!/nowhere/sh\n", 0755));
  CHECK(reason(Command({"no-such-program"})) == v1::Failure::NOT_FOUND);
  CHECK(reason(Command({"/no/such/program"})) == v1::Failure::NOT_FOUND);
  CHECK(reason(Command({"/etc/passwd"})) == v1::Failure::CANNOT_EXECUTE);
  CHECK(reason(Command({"/etc"})) == v1::Failure::CANNOT_EXECUTE);
  CHECK(reason(Command({script})) == v1::Failure::CANNOT_EXECUTE);
  CHECK(reason(Command({""})) == v1::Failure::BAD_REQUEST);
  CHECK(reason(Command({})) == v1::Failure::BAD_REQUEST);
  auto start = Command({"true"});
  start.set_cwd("/no/such/folder");
  CHECK(reason(start) == v1::Failure::NOT_FOUND);
  start.set_cwd("relative");
  CHECK(reason(start) == v1::Failure::BAD_REQUEST);
  start.set_cwd("/");
  start.set_user("no-such-user");
  CHECK(reason(start) == v1::Failure::NOT_FOUND);
  CHECK(agent.Children().empty());
}

TEST_CASE("a program runs as the user that is asked for, with its groups", "[agent][session]") {
  if (geteuid() != 0) EMBER_SKIP("changing the user needs root");
  AgentProcess agent;
  auto start = Shell("id -u; id -g; echo $HOME $LOGNAME; pwd");
  start.set_user("nobody");
  CHECK(Run(agent, start).out == "65534\n65534\n/nonexistent nobody\n/\n");
  start = Shell("id -u; id -G");
  start.set_user("1234:60");
  CHECK(Run(agent, start).out == "1234\n60\n");
  start = Command({"cat", "/etc/shadow"});
  start.set_user("nobody");
  CHECK(Run(agent, start).code == 1);
}

TEST_CASE("a signal reaches the whole process group", "[agent][session]") {
  AgentProcess agent;
  FramedClient client(agent);
  client.Start(Shell("trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 0.05; done"));
  client.WaitForOutput("ready");
  // Its sleep has no handler and ends by the same signal: the shell goes on to its trap.
  client.Signal(SIGUSR1);
  const auto outcome = client.Finish();
  CHECK(outcome.out == "caught\n");
  CHECK(outcome.code == 7);
}

TEST_CASE("a process does not inherit blocked or ignored signals or descriptors",
          "[agent][session]") {
  AgentProcess agent;
  const auto outcome =
      Run(agent, Shell("grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l"));
  CHECK(outcome.out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n");
}

TEST_CASE("a terminal has its size, changes it, and passes an interrupt", "[agent][session][tty]") {
  AgentProcess agent;
  auto start = Shell(
      "stty size; tty >/dev/null && echo is a tty; echo $TERM; "
      "trap 'stty size; echo resized' WINCH; trap 'echo interrupted; exit 3' INT; "
      "echo ready; while :; do sleep 0.05; done");
  start.mutable_tty()->set_rows(33);
  start.mutable_tty()->set_columns(111);
  start.mutable_tty()->set_term("vt220");
  FramedClient client(agent);
  client.Start(start);
  FramedClient::Outcome outcome;
  while (outcome.out.find("ready\r\n") == std::string::npos) REQUIRE(client.Take(outcome));
  CHECK(outcome.out.starts_with("33 111\r\nis a tty\r\nvt220\r\n"));
  client.Resize(40, 120);
  client.WaitForOutput("40 120\r\nresized");
  client.Input("\x03");
  outcome = client.Finish();
  CHECK(outcome.out.find("interrupted") != std::string::npos);
  CHECK(outcome.code == 3);
}

TEST_CASE("the end of input on a terminal is its end-of-file character", "[agent][session][tty]") {
  AgentProcess agent;
  auto start = Shell("stty -echo; echo $TERM ready; cat; echo done");
  start.mutable_tty();
  FramedClient client(agent);
  client.Start(start);
  client.WaitForOutput("xterm ready");
  client.Input("half a line");
  client.EndInput();
  const auto outcome = client.Finish();
  CHECK(outcome.out.find("half a linedone") != std::string::npos);
  CHECK(outcome.code == 0);
}

TEST_CASE("input ends where the client says", "[agent][session]") {
  AgentProcess agent;
  FramedClient client(agent);
  client.Start(Command({"wc", "-c"}));
  client.Input("12345");
  client.EndInput();
  CHECK(client.Finish().out == "5\n");
}

TEST_CASE("a shutdown request ends the agent, and not the machine", "[agent][session]") {
  AgentProcess agent;
  FramedClient other(agent);
  other.Start(Command({"sleep", "1000"}));
  FramedClient client(agent);
  v1::ClientFrame frame;
  frame.mutable_shutdown();
  client.Send(frame);
  CHECK(client.Receive()->has_shutdown_reply());
  CHECK(ValueOf(agent.WaitForEnd()).code == 0);
  CHECK_FALSE(std::filesystem::exists(agent.json_path()));
  CHECK_FALSE(std::filesystem::exists(agent.framed_path()));
}
