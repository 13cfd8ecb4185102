#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/socket.h"
#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/gate.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember {
namespace {

using testing::TempDir;
using testing::ValueOf;

Cancellation Limit() { return Cancellation::After(absl::Seconds(20)); }

ToolResult RunShell(std::string script) {
  ToolOptions options;
  options.argv = {"sh", "-c", std::move(script)};
  return ValueOf(RunTool(options, Limit()));
}

// A child that runs until it is killed; ended and reaped with the test.
class Sleeper {
 public:
  Sleeper() : process_(ValueOf(Spawn(Options()))) {}
  ~Sleeper() {
    process_.Signal(SIGKILL).IgnoreError();
    process_.Wait(Limit()).IgnoreError();
  }
  Process& operator*() { return process_; }
  Process* operator->() { return &process_; }

 private:
  static SpawnOptions Options() {
    SpawnOptions options;
    options.argv = {"sleep", "1000"};
    return options;
  }
  Process process_;
};

TEST_CASE("a tool's output, errors and exit code come back", "[base][subprocess]") {
  const ToolResult result = RunShell("echo out; echo err >&2; exit 3");
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");
  CHECK(result.exit == ExitStatus{.code = 3, .signal = std::nullopt});
  CHECK(result.exit.Describe() == "exit code 3");
}

TEST_CASE("a tool that dies of a signal says which", "[base][subprocess]") {
  const ToolResult result = RunShell("kill -KILL $$");
  CHECK(result.exit == ExitStatus{.code = std::nullopt, .signal = SIGKILL});
  CHECK(result.exit.Describe() == "signal 9 (Killed)");
  CHECK(ExitStatus().Describe() == "gone");
}

TEST_CASE("a program that is not there is an error of the start", "[base][subprocess]") {
  SpawnOptions options;
  options.argv = {"ember-no-such-program"};
  const absl::Status by_name = Spawn(options).status();
  CHECK(by_name.code() == absl::StatusCode::kNotFound);
  CHECK(Message(by_name) == "program 'ember-no-such-program' was not found in PATH");
  options.argv = {"/no/such/program"};
  CHECK(Spawn(options).status().code() == absl::StatusCode::kNotFound);
  const TempDir dir;
  std::ofstream(dir / "plain") << "x";
  options.argv = {(dir / "plain").native()};
  CHECK(Spawn(options).status().code() == absl::StatusCode::kPermissionDenied);
}

TEST_CASE("a tool has the asked directory, environment and input", "[base][subprocess]") {
  const TempDir dir;
  ToolOptions options;
  options.argv = {"sh", "-c", "pwd; echo $A-$HOME; cat"};
  options.cwd = dir.path();
  options.env = {"A=b c", "PATH=/usr/bin:/bin"};
  options.input = "input";
  const ToolResult result = ValueOf(RunTool(options, Limit()));
  CHECK(result.out == dir.path().native() + "\nb c-\ninput");
}

TEST_CASE("input larger than any buffer passes through a tool", "[base][subprocess]") {
  ToolOptions options;
  options.argv = {"cat"};
  options.input = std::string(900'000, 'x');
  CHECK(ValueOf(RunTool(options, Limit())).out == options.input);
}

TEST_CASE("a tool that does not read its input is no error", "[base][subprocess]") {
  ToolOptions options;
  options.argv = {"true"};
  options.input = std::string(900'000, 'x');
  CHECK(ValueOf(RunTool(options, Limit())).exit.code == 0);
}

TEST_CASE("of endless output the first MiB is kept", "[base][subprocess]") {
  CHECK(RunShell("head -c 3000000 /dev/zero").out.size() == 1 << 20);
}

TEST_CASE("errors are shown as they come", "[base][subprocess]") {
  std::string seen;
  ToolOptions options;
  options.argv = {"sh", "-c", "echo one >&2; echo two >&2"};
  options.on_stderr = [&seen](std::string_view bytes) { seen.append(bytes); };
  REQUIRE_OK(RunTool(options, Limit()));
  CHECK(seen == "one\ntwo\n");
}

TEST_CASE("a failed tool is quoted by its last line", "[base][subprocess]") {
  CHECK(ValueOf(RunToolForOutput({"echo", "hello"}, Limit())) == "hello\n");
  const absl::Status status =
      RunToolForOutput({"sh", "-c", "echo first >&2; echo last >&2; exit 2"}, Limit()).status();
  CHECK(Message(status) == "sh failed: exit code 2: last");
}

TEST_CASE("a cancelled tool is gone with all that it started", "[base][subprocess]") {
  const TempDir dir;
  ToolOptions options;
  // The pids of both are on record before either is ended.
  options.argv = {"sh", "-c", "sleep 1000 & echo $! $$ > pids.tmp; mv pids.tmp pids; wait"};
  options.cwd = dir.path();
  std::stop_source source;
  absl::Status status;
  std::thread runner([&] {
    status = RunTool(options, {source.get_token(), Deadline::After(absl::Seconds(20))}).status();
  });
  const Cancellation limit = Limit();
  while (!std::filesystem::exists(dir / "pids") && limit.Check("").ok()) {
    REQUIRE_OK(limit.Pause(absl::Milliseconds(2), "pids"));
  }
  pid_t child = 0, shell = 0;
  std::ifstream(dir / "pids") >> child >> shell;
  REQUIRE(child > 0);
  const ProcessIdentity identity = ValueOf(IdentifyProcess(child));
  source.request_stop();
  runner.join();
  CHECK(status.code() == absl::StatusCode::kCancelled);
  CHECK(IdentifyProcess(shell).status().code() == absl::StatusCode::kNotFound);
  // The orphan is reaped by whoever adopts it; killed it is either way.
  auto orphan = Process::Open(identity);
  if (orphan.ok()) CHECK(orphan->Wait(limit).ok());
}

TEST_CASE("a process is itself only with its start time", "[base][subprocess]") {
  Sleeper sleeper;
  const ProcessIdentity identity = sleeper->identity();
  CHECK(ValueOf(IdentifyProcess(identity.pid)) == identity);
  CHECK(Process::Open(identity).ok());
  const ProcessIdentity other = {.pid = identity.pid, .start_time = identity.start_time + 1};
  CHECK(Process::Open(other).status().code() == absl::StatusCode::kNotFound);
  CHECK_FALSE(sleeper->Ended());
}

TEST_CASE("a name full of blanks and brackets does not hide the start time", "[base][subprocess]") {
  const TempDir dir;
  const auto program = dir / "a) S 1 (b";
  std::filesystem::copy_file("/bin/sleep", program);
  SpawnOptions options;
  options.argv = {program.native(), "1000"};
  Process process = ValueOf(Spawn(options));
  const auto identity = IdentifyProcess(process.identity().pid);
  REQUIRE_OK(process.Signal(SIGKILL));
  REQUIRE_OK(process.Wait(Limit()));
  REQUIRE_OK(identity);
  CHECK(identity->start_time > 0);
  CHECK(*identity == process.identity());
}

TEST_CASE("a pid that is a thread's by now is nobody's process", "[base][subprocess]") {
  testing::Gate ready, leave;
  pid_t tid = 0;
  std::thread thread([&] {
    tid = static_cast<pid_t>(syscall(SYS_gettid));
    ready.Open();
    leave.WaitOpen();
  });
  REQUIRE(ready.WaitOpen());
  const absl::Status status = Process::Open({.pid = tid, .start_time = 1}).status();
  leave.Open();
  thread.join();
  CHECK(status.code() == absl::StatusCode::kNotFound);
}

TEST_CASE("a process that has ended is not found, a zombie neither", "[base][subprocess]") {
  Sleeper sleeper;
  const ProcessIdentity identity = sleeper->identity();
  Process other = ValueOf(Process::Open(identity));
  REQUIRE_OK(sleeper->Signal(SIGKILL));
  REQUIRE_OK(Limit().WaitReadable(sleeper->pidfd(), "end"));
  CHECK(IdentifyProcess(identity.pid).status().code() == absl::StatusCode::kNotFound);
  CHECK(Process::Open(identity).status().code() == absl::StatusCode::kNotFound);
  CHECK(sleeper->Ended());
  CHECK(ValueOf(sleeper->Wait(Limit())).signal == SIGKILL);
  CHECK(sleeper->TryWait() == ValueOf(sleeper->Wait(Limit())));
  CHECK(sleeper->Signal(SIGTERM).ok());
  // Whoever is not the parent learns only that it is gone.
  CHECK(ValueOf(other.Wait(Limit())) == ExitStatus{});
  CHECK(Process::Open(identity).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("waiting for a process ends at the deadline and leaves it alone", "[base][subprocess]") {
  Sleeper sleeper;
  CHECK(sleeper->TryWait() == std::nullopt);
  CHECK(sleeper->Wait(Cancellation::After(absl::Milliseconds(2))).status().code() ==
        absl::StatusCode::kDeadlineExceeded);
  CHECK_FALSE(sleeper->Ended());
}

TEST_CASE("passed descriptors arrive at their numbers, all others do not", "[base][subprocess]") {
  auto [keep, theirs] = ValueOf(SocketPair());
  UniqueFd inheritable(open("/dev/null", O_RDONLY));  // not close-on-exec
  auto [out, child_out] = ValueOf(SocketPair());
  SpawnOptions options;
  options.argv = {"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; echo to-seven >&7"};
  options.stdout_fd = child_out.get();
  options.pass_fds = {{theirs.get(), 7}};
  Process process = ValueOf(Spawn(options));
  child_out.Reset();
  theirs.Reset();
  CHECK(ValueOf(process.Wait(Limit())).code == 0);
  std::string listed(4096, '\0');
  listed.resize(static_cast<size_t>(std::max<ssize_t>(0, read(out.get(), listed.data(), 4096))));
  // 3 is the directory that ls itself reads.
  CHECK(listed == "0 1 2 3 7 ");
  std::string word(9, '\0');
  REQUIRE_OK(ReadFully(keep.get(), word.data(), word.size(), Limit()));
  CHECK(word == "to-seven\n");
}

TEST_CASE("descriptors may change places on their way", "[base][subprocess]") {
  int a[2], b[2];
  REQUIRE(pipe2(a, O_CLOEXEC) == 0);
  REQUIRE(pipe2(b, O_CLOEXEC) == 0);
  const UniqueFd ends[] = {UniqueFd(a[0]), UniqueFd(a[1]), UniqueFd(b[0]), UniqueFd(b[1])};
  SpawnOptions options;
  options.argv = {"sh", "-c",
                  fmt::format("echo a >/proc/self/fd/{}; echo b >/proc/self/fd/{}", b[1], a[1])};
  options.pass_fds = {{a[1], b[1]}, {b[1], a[1]}};
  Process process = ValueOf(Spawn(options));
  CHECK(ValueOf(process.Wait(Limit())).code == 0);
  char word[2] = {};
  CHECK(read(a[0], word, 2) == 2);
  CHECK(word[0] == 'a');
  CHECK(read(b[0], word, 2) == 2);
  CHECK(word[0] == 'b');
}

TEST_CASE("a child in a session of its own leads it", "[base][subprocess]") {
  SpawnOptions options;
  options.argv = {"sleep", "1000"};
  options.session = SessionMode::kOwn;
  Process own = ValueOf(Spawn(options));
  Sleeper shared;
  CHECK(getsid(own.identity().pid) == own.identity().pid);
  CHECK(getsid(shared->identity().pid) == getsid(0));
  REQUIRE_OK(own.Signal(SIGKILL));
  REQUIRE_OK(own.Wait(Limit()));
}

TEST_CASE("a child starts with default signals, whatever ours are", "[base][subprocess]") {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  // SIGPIPE is ignored in this program (tests/support/catch_main.cc).
  const ToolResult result = RunShell("grep -E '^Sig(Blk|Ign)' /proc/self/status");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(result.out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("programs are found in PATH and in sbin", "[base][subprocess]") {
  CHECK(FindProgram("sh").has_value());
  CHECK(FindProgram("ember-no-such-program") == std::nullopt);
  CHECK(FindProgram("sh")->is_absolute());
}

}  // namespace
}  // namespace ember
