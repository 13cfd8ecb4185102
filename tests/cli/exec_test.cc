#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/file.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

#ifdef EMBER_SANITIZED_ADDRESS
constexpr long kMostResidentKib = 200'000;
#else
constexpr long kMostResidentKib = 20'000;
#endif

struct ExecContext : EmberContext {
  ExecContext() { AddVm("web"); }
  ProgramResult Exec(std::vector<std::string> command, std::string input = "") {
    command.insert(command.begin(), {"exec", "web", "--"});
    return Run(command, std::move(input));
  }
  RunningEmber StartExec(const std::string& command) {
    return Start({"exec", "web", "--", command, "x"});
  }
};

TEST_CASE("exec passes the command's exit code through", "[cli][exec]") {
  ExecContext context;
  for (const int code : {0, 1, 3, 125, 255})
    CHECK(context.Exec({"exit", std::to_string(code)}).code == code);
  CHECK(context.Exec({"die", "9"}).code == 137);
}

TEST_CASE("stdout and stderr stay apart", "[cli][exec]") {
  ExecContext context;
  const ProgramResult result = context.Exec({"both", "x"});
  CHECK(result.out == "out\n");
  CHECK(result.err == "err\n");
}

TEST_CASE("one argument is a shell line, several are argv", "[cli][exec]") {
  ExecContext context;
  CHECK(context.Exec({"echo $HOME | wc"}).out == "-c echo $HOME | wc\n");
  CHECK(context.Exec({"argv", "a b", "--help", ""}).out == "argv\na b\n--help\n\n");
}

TEST_CASE("what the command is to run with is sent", "[cli][exec]") {
  ExecContext context;
  context.env()["OURS"] = "passed on";
  REQUIRE(context
              .Run({"exec", "--user", "bob", "web", "--env", "A=1=2", "--env", "OURS", "--env",
                    "UNSET", "--cwd", "/tmp", "--timeout", "5s", "--", "exit", "0"})
              .code == 0);
  const v1::ExecStart start = context.host().last_exec();
  CHECK(start.user() == "bob");
  CHECK(start.cwd() == "/tmp");
  CHECK(start.env().size() == 2);
  CHECK(start.env().at("A") == "1=2");
  CHECK(start.env().at("OURS") == "passed on");
  CHECK(start.timeout().seconds() == 5);
  CHECK_FALSE(start.has_tty());
}

TEST_CASE("16 MiB go in and come back unchanged", "[cli][exec]") {
  ExecContext context;
  const auto in = context.dir() / "in";
  const auto out = context.dir() / "out";
  std::string bytes(16 << 20, '\0');
  uint32_t state = 1;
  for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  std::ofstream(in, std::ios::binary) << bytes;
  CHECK(context.RunOnFiles({"exec", "web", "--", "cat", "-"}, in, out) == 0);
  CHECK(ValueOf(ReadFile(out)) == bytes);
}

TEST_CASE("input through a pipe ends when the pipe does", "[cli][exec]") {
  ExecContext context;
  const std::string input(300'000, 'i');
  CHECK(context.Exec({"cat", "-"}, input).out == input);
  CHECK(context.Exec({"cat", "-"}).out.empty());
}

TEST_CASE("--no-stdin ends the input at once", "[cli][exec]") {
  ExecContext context;
  RunningEmber cat = context.Start({"exec", "web", "--no-stdin", "--", "cat", "-"});
  CHECK(cat.Wait() == 0);
}

TEST_CASE("signals go to the command, and a second Ctrl-C ends the call", "[cli][exec]") {
  ExecContext context;
  RunningEmber exec = context.StartExec("signals");
  exec.ReadUntil("ready");
  REQUIRE_OK(exec.process().Signal(SIGHUP));
  CHECK_THAT(exec.ReadUntil("signal 1\n"), Contains("signal 1\n"));
  REQUIRE_OK(exec.process().Signal(SIGQUIT));
  CHECK_THAT(exec.ReadUntil("signal 3\n"), Contains("signal 3\n"));
  REQUIRE_OK(exec.process().Signal(SIGINT));
  CHECK_THAT(exec.ReadUntil("signal 2\n"), Contains("signal 2\n"));
  SECTION("the command ends by a signal that it handles") {
    REQUIRE_OK(exec.process().Signal(SIGTERM));
    CHECK(exec.Wait() == 0);
  }
  SECTION("the user insists") {
    REQUIRE_OK(exec.process().Signal(SIGINT));
    CHECK(exec.Wait() == 130);
  }
}

TEST_CASE("a signal overtakes input that the command does not take", "[cli][exec]") {
  ExecContext context;
  const auto in = context.dir() / "in";
  std::ofstream(in) << std::string(1 << 20, 'x');
  const UniqueFd input(::open(in.c_str(), O_RDONLY | O_CLOEXEC));
  RunningEmber exec = context.StartWithInput({"exec", "web", "--", "signals", "x"}, input.get());
  exec.ReadUntil("ready");
  REQUIRE_OK(exec.process().Signal(SIGINT));
  CHECK_THAT(exec.ReadUntil("signal 2\n"), Contains("signal 2\n"));
  CHECK(::lseek(input.get(), 0, SEEK_CUR) < 256 * 1024);  // the rest is still the next reader's
  REQUIRE_OK(exec.process().Signal(SIGINT));
  CHECK(exec.Wait() == 130);
}

TEST_CASE("a reader that goes away ends the command", "[cli][exec]") {
  ExecContext context;
  RunningEmber exec = context.StartExec("flood");
  exec.ReadUntil("x");
  exec.CloseOutput();
  CHECK(exec.Wait() == 141);
}

TEST_CASE("a reader that is slow stops the command, not the memory", "[cli][exec]") {
  ExecContext context;
  RunningEmber exec = context.StartExec("flood");
  exec.ReadUntil("x");
  // Nobody reads for a while, and the command writes as fast as it can.
  (void)exec.process().Wait(Cancellation::After(absl::Milliseconds(700)));
  const std::string status =
      ValueOf(ReadFile("/proc/" + std::to_string(exec.process().identity().pid) + "/status"));
  const size_t at = status.find("RssAnon:");
  REQUIRE(at != std::string::npos);
  const long resident_kib = std::stol(status.substr(at + 8));
  CHECK(resident_kib < kMostResidentKib);
}

TEST_CASE("exec's failures have codes of their own", "[cli][exec]") {
  ExecContext context;
  CHECK(context.Exec({"no-such-program", "x"}).code == 127);
  CHECK(context.Exec({"not-executable", "x"}).code == 126);
  CHECK(context.Exec({"went-away", "x"}).code == 125);
  const ProgramResult no_vm = context.Run({"exec", "nope", "--", "exit", "0"});
  CHECK(no_vm.code == 125);
  CHECK_THAT(no_vm.err, Contains("error: vm 'nope' does not exist\nhint: ember vm list"));
  CHECK(context.Run({"exec", "web", "ls"}).code == 125);
  CHECK_THAT(context.Run({"exec", "web", "ls", "-l"}).err, Contains("put '--' before"));
}

TEST_CASE("a command that runs out of time gives 124", "[cli][exec]") {
  ExecContext context;
  const ProgramResult result =
      context.Run({"exec", "web", "--timeout", "0.5", "--", "sleep", "100"});
  CHECK(result.code == 124);
  CHECK_THAT(result.err, Contains("killed after 0.5s"));
  CHECK(context.Run({"exec", "web", "--timeout", "0", "--", "sleep", "1"}).code == 125);
}

TEST_CASE("no daemon is exec's own failure", "[cli][exec]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const ProgramResult result = context.Run({"exec", "web", "--", "true"});
  CHECK(result.code == 125);
  CHECK_THAT(result.err, Contains("hint: run 'ember daemon start'"));
}

}  // namespace
}  // namespace ember::testing
