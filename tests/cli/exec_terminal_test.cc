#include <sys/ioctl.h>
#include <termios.h>

#include <csignal>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

struct TerminalContext : EmberContext {
  TerminalContext() { AddVm("web"); }
  RunningEmber StartTty(const std::string& command) {
    env()["TERM"] = "vt100";
    return StartOnTerminal({"exec", "web", "-t", "--", command, "x"}, 30, 100);
  }
};

// Whether the terminal hands on each key at once and unchanged.
bool IsRaw(int terminal) {
  termios mode{};
  REQUIRE(::tcgetattr(terminal, &mode) == 0);
  return (mode.c_lflag & (ICANON | ECHO | ISIG)) == 0;
}

TEST_CASE("the command's terminal has the size of ours, also after a change", "[cli][exec][tty]") {
  TerminalContext context;
  RunningEmber exec = context.StartTty("sizes");
  CHECK_THAT(exec.ReadUntil("30x100"), Contains("30x100"));
  CHECK(context.host().last_exec().term() == "vt100");
  const winsize size{50, 132, 0, 0};
  REQUIRE(::ioctl(exec.input.get(), TIOCSWINSZ, &size) == 0);
  REQUIRE_OK(exec.process().Signal(SIGWINCH));  // a controlling terminal sends it by itself
  CHECK_THAT(exec.ReadUntil("50x132"), Contains("50x132"));
  exec.Write("q");
  CHECK(exec.Wait() == 0);
}

TEST_CASE("keys reach the command raw, Ctrl-C too", "[cli][exec][tty]") {
  TerminalContext context;
  RunningEmber exec = context.StartTty("keys");
  exec.ReadUntil("ready");
  CHECK(IsRaw(exec.input.get()));
  exec.Write("\x03");
  CHECK_THAT(exec.ReadUntil("key 3\n"), Contains("key 3\n"));
  exec.Write("q");
  CHECK(exec.Wait() == 7);
  CHECK_FALSE(IsRaw(exec.input.get()));
}

TEST_CASE("the terminal is restored however exec ends", "[cli][exec][tty]") {
  TerminalContext context;
  RunningEmber exec = context.StartTty("keys");
  exec.ReadUntil("ready");
  REQUIRE(IsRaw(exec.input.get()));
  const int signal = GENERATE(SIGTERM, SIGHUP, SIGINT, SIGQUIT);
  REQUIRE_OK(exec.process().Signal(signal));
  (void)exec.process().Wait(Cancellation::After(absl::Milliseconds(200)));
  REQUIRE_OK(exec.process().Signal(signal));
  CHECK(exec.Wait() == 128 + signal);
  CHECK_FALSE(IsRaw(exec.input.get()));
}

TEST_CASE("a terminal stays as it is when the VM does not exist", "[cli][exec][tty]") {
  TerminalContext context;
  RunningEmber exec = context.StartOnTerminal({"exec", "nope", "-t", "--", "keys", "x"}, 24, 80);
  CHECK_THAT(exec.ReadUntil("hint"), Contains("error: vm 'nope' does not exist\r\n"));
  CHECK(exec.Wait() == 125);
  CHECK_FALSE(IsRaw(exec.input.get()));
}

TEST_CASE("a terminal without --tty is read by the line", "[cli][exec][tty]") {
  TerminalContext context;
  RunningEmber exec = context.StartOnTerminal({"exec", "web", "--", "cat", "-"}, 24, 80);
  exec.Write("hello\n");
  CHECK_THAT(exec.ReadUntil("hello\r\nhello"), Contains("hello\r\nhello"));
  exec.Write("\x04");
  CHECK(exec.Wait() == 0);
}

TEST_CASE("--tty works with no terminal of our own", "[cli][exec][tty]") {
  TerminalContext context;
  CHECK(context.Run({"exec", "web", "--tty", "--", "sizes", "x"}, "q").out == "24x80\n");
}

}  // namespace
}  // namespace ember::testing
