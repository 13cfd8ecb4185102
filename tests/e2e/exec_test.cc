// `ember exec` in real VMs: every case boots its own or shares one within a SECTION-free body.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "base/cancellation.h"
#include "base/file.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

// Bytes without a pattern that a lost or doubled block could hide in.
std::string Noise(size_t size) {
  std::string bytes(size, '\0');
  uint64_t x = 88172645463325252;
  for (char& byte : bytes) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    byte = static_cast<char>(x);
  }
  return bytes;
}

TEST_CASE("exec passes words, output, errors and exit codes through", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  CHECK(ember.Exec("web", {"echo", "a  b", "$HOME", "*"}) == "a  b $HOME *\n");
  CHECK(ember.Exec("web", {"echo $((6*7)) | tr 4 x"}) == "x2\n");

  const ToolResult split = ember.Ember({"exec", "web", "--", "echo out; echo err >&2; exit 3"});
  CHECK(split.out == "out\n");
  CHECK(split.err == "err\n");
  CHECK(split.exit.code == 3);

  CHECK(ember.Ember({"exec", "web", "--", "kill -9 $$"}).exit.code == 128 + SIGKILL);
  CHECK(ember.Ember({"exec", "web", "--", "no-such-program", "x"}).exit.code == 127);
  CHECK(ember.Ember({"exec", "web", "--", "/etc/passwd", "x"}).exit.code == 126);
}

TEST_CASE("exec sets environment, directory and user", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  CHECK(ember.EmberOk({"exec", "web", "--env", "GREETING=hello you", "--cwd", "/etc", "--",
                       "echo $GREETING $PWD"}) == "hello you /etc\n");
  CHECK(ember.Exec("web", {"id", "-u"}) == "0\n");
  CHECK(ember.EmberOk({"exec", "web", "--user", "65534:65534", "--", "id -u; id -g"}) ==
        "65534\n65534\n");
  const ToolResult nobody = ember.Ember({"exec", "web", "--user", "no-such-user", "--", "true"});
  CHECK(nobody.exit.code != 0);
  CHECK(nobody.err.find("no-such-user") != std::string::npos);
  CHECK(ember.Ember({"exec", "web", "--cwd", "/no/such/dir", "--", "true"}).exit.code != 0);
}

TEST_CASE("a time-out kills the whole process group and says so", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  const ToolResult result =
      ember.Ember({"exec", "web", "--timeout", "1s", "--", "sleep 3171 & sleep 3172"});
  CHECK(result.exit.code == 124);
  // What it started is gone with it.
  CHECK(ember.Exec("web", {"ps | grep -c '[s]leep 317' || true"}) == "0\n");
}

TEST_CASE("an interrupted client hangs up on its command", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  SpawnOptions client;
  client.argv =
      ember.EmberTool({"exec", "web", "--", "echo started > /tmp/mark; exec sleep 3173"}).argv;
  Process process = ValueOf(Spawn(client));
  ember.Exec("web", {"until [ -e /tmp/mark ]; do sleep 0.05; done"});
  REQUIRE_OK(process.Signal(SIGKILL));
  REQUIRE_OK(process.Wait(Cancellation::After(absl::Seconds(10))));
  // SIGHUP, then SIGKILL five seconds later: the first is enough here.
  CHECK(ember
            .Exec("web", {"for i in $(seq 100); do ps | grep -q '[s]leep 3173' || exit 0; sleep "
                          "0.1; done; exit 1"})
            .empty());
}

TEST_CASE("64 MiB go through stdin and stdout unchanged", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  const TempDir files;
  const std::string bytes = Noise(size_t{64} << 20);
  REQUIRE_OK(WriteFileAtomically(files / "in", bytes, 0600));
  // RunTool bounds what it keeps, so the streams are files.
  UniqueFd in(open((files / "in").c_str(), O_RDONLY | O_CLOEXEC));
  UniqueFd out(open((files / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  SpawnOptions options;
  options.argv = ember.EmberTool({"exec", "web", "--", "cat"}).argv;
  options.stdin_fd = in.get();
  options.stdout_fd = out.get();
  options.stderr_fd = STDERR_FILENO;
  Process process = ValueOf(Spawn(options));
  REQUIRE(ValueOf(process.Wait(Cancellation::After(absl::Seconds(120)))).code == 0);
  const std::string back = ValueOf(ReadFile(files / "out"));
  CHECK(back.size() == bytes.size());
  CHECK(back == bytes);
}

TEST_CASE("100 commands run at once in one VM", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  constexpr int kCommands = 100;
  std::vector<Process> running;
  const TempDir outputs;
  for (int i = 0; i < kCommands; ++i) {
    UniqueFd out(
        open((outputs / fmt::format("{}", i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    SpawnOptions options;
    // All of them wait for one file, so that they really are there at the same time. They look once
    // a second: a hundred that start a program each leave an emulated processor time for the next.
    options.argv = ember
                       .EmberTool({"exec", "web", "--",
                                   fmt::format("touch /tmp/here.{}; until [ -e /tmp/go ]; do sleep "
                                               "1; done; echo {}; exit {}",
                                               i, i, i)})
                       .argv;
    options.stdout_fd = out.get();
    running.push_back(ValueOf(Spawn(options)));
  }
  ember.Exec(
      "web",
      {fmt::format("until [ $(ls /tmp/here.* | wc -l) -eq {} ]; do sleep 0.2; done; touch /tmp/go",
                   kCommands)});
  for (int i = 0; i < kCommands; ++i) {
    INFO(i);
    CHECK(ValueOf(running[i].Wait(Cancellation::After(absl::Seconds(120)))).code == i);
    CHECK(ValueOf(ReadFile(outputs / fmt::format("{}", i))) == fmt::format("{}\n", i));
  }
}

// A line that says "begin", goes on until /tmp/go is there, says "end" and ends with code 3.
constexpr char kUntilGo[] =
    "echo begin; until [ -e /tmp/go ]; do sleep 0.1; done; echo end; exit 3";

// `ps` of the VM "web" once its first process has written so many bytes.
nlohmann::json PsOnceWritten(const Installation& ember, size_t bytes) {
  const Cancellation limit = Cancellation::After(absl::Seconds(60));
  while (true) {
    const nlohmann::json process = ember.Json({"ps", "web"})[0];
    if (process["output_bytes"] == bytes) return process;
    REQUIRE_OK(limit.Pause(absl::Milliseconds(10), "its output"));
  }
}

TEST_CASE("a detached command goes on without its client, daemon and agent", "[e2e][exec]") {
  REQUIRE_PREPARED();
  // Process 1 of one VM is the image's init, of the other the agent.
  const std::string init = GENERATE("auto", "agent");
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--init", init});
  CHECK(ember.EmberOk({"exec", "web", "--detach", "--tag", "job", "--", kUntilGo}) == "job\n");
  const auto before = PsOnceWritten(ember, std::string_view("begin\n").size());
  CHECK(before["tag"] == "job");

  ember.KillDaemon();
  ember.StartDaemon();
  ember.EmberOk({"vm", "wait", "web", "--for", "agent"});
  CHECK(ember.Json({"ps", "web"})[0] == before);

  // The agent is what listens as "emberd", or process 1 itself.
  for (int i = 0; i < 2; ++i) {
    ember.Ember({"exec", "web", "--", "kill -HUP $PPID; sleep 100"});
    CHECK(ember.Exec("web", {"echo", "again"}) == "again\n");
    CHECK(ember.Json({"ps", "web"})[0] == before);
  }
  ember.Exec("web", {"touch", "/tmp/go"});
  const ToolResult attached = ember.Ember({"attach", "web", "job"});
  CHECK(attached.exit.code == 3);
  CHECK(attached.out == "begin\nend\n");
}

TEST_CASE("limits and umask hold in a VM", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  CHECK(ember.EmberOk({"exec", "web", "--umask", "027", "--ulimit", "nofile=5000:100000", "--user",
                       "65534:65534", "--", "umask; ulimit -n; ulimit -Hn"}) ==
        "0027\n5000\n100000\n");
}

TEST_CASE("a reader that stops holds the guest's process back, not the daemon", "[e2e][exec]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  int fds[2];
  REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
  UniqueFd unread(fds[0]);
  UniqueFd full(fds[1]);
  SpawnOptions options;
  options.argv = ember.EmberTool({"exec", "web", "--", "yes"}).argv;
  options.stdout_fd = full.get();
  Process process = ValueOf(Spawn(options));
  full.Reset();
  const auto rss_kib = [&ember] {
    const std::string status =
        ValueOf(ReadFile(fmt::format("/proc/{}/status", ember.daemon().identity().pid)));
    return std::stol(status.substr(status.find("VmRSS:") + 6));
  };
  // `yes` makes tens of MiB a second; ten round trips of other commands show that nothing else is
  // held up.
  const long before = rss_kib();
  for (int i = 0; i < 10; ++i) CHECK(ember.Exec("web", {"echo", "alive"}) == "alive\n");
  CHECK(rss_kib() - before < 16 * 1024);
  unread.Reset();
  REQUIRE_OK(process.Wait(Cancellation::After(absl::Seconds(30))));
}

}  // namespace
}  // namespace ember::testing
