#include <sys/ioctl.h>
#include <termios.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

struct ProcessContext : EmberContext {
  ProcessContext() { AddVm("web"); }
};

TEST_CASE("exec sends what only a newer agent knows", "[cli][process]") {
  ProcessContext context;
  REQUIRE(context
              .Run({"exec", "web", "--umask", "027", "--ulimit", "nofile=10:20", "--ulimit",
                    "core=unlimited", "--", "exit", "0"})
              .code == 0);
  const v1::ExecStart start = context.host().last_exec();
  CHECK(start.umask() == 027);
  REQUIRE(start.limits_size() == 2);
  CHECK(start.limits(0).name() == "nofile");
  CHECK(start.limits(0).hard() == 20);
  CHECK(start.limits(1).soft() == UINT64_MAX);
  CHECK_FALSE(start.has_detach());
  for (const std::string mask : {"8", "1000", "x", "-1"}) {
    CHECK(context.Run({"exec", "web", "--umask", mask, "--", "exit", "0"}).code == 125);
  }
}

TEST_CASE("a detached command prints its tag and is left alone", "[cli][process]") {
  ProcessContext context;
  ProgramResult result = context.Run({"exec", "web", "--detach", "--", "sleep", "x"});
  CHECK(result.code == 0);
  CHECK(result.out == "made-up\n");
  result = context.Run({"exec", "web", "-d", "--tag", "job", "-t", "--", "sleep", "x"});
  CHECK(result.out == "job\n");
  CHECK(context.host().last_exec().has_tty());
  CHECK(context.Run({"exec", "web", "--tag", "job", "--", "exit", "0"}).code == 125);
  CHECK(context.Run({"exec", "web", "-d", "--timeout", "1s", "--", "exit", "0"}).code == 125);
}

TEST_CASE("ps lists processes, made safe for a terminal", "[cli][process]") {
  ProcessContext context;
  const ProgramResult table = context.Run({"ps", "web"});
  CHECK(table.code == 0);
  CHECK_THAT(table.out, Contains("server  42   running  root  2027-01-15T08:00:00Z  /bin/serve"));
  CHECK_THAT(table.out, Contains("-       43   running"));
  CHECK_THAT(table.out, Contains("exit 7"));
  CHECK_THAT(table.out, Contains("SIGKILL"));
  CHECK_THAT(table.out, !Contains("\x1b"));
  const auto list = nlohmann::json::parse(context.Run({"ps", "web", "--format", "json"}).out);
  REQUIRE(list.size() == 4);
  CHECK(list[0]["tag"] == "server");
  CHECK(list[0]["exit_code"].is_null());
  CHECK(list[1]["tag"].is_null());
  CHECK(list[2]["exit_code"] == 7);
  CHECK(list[3]["signal"] == "SIGKILL");
}

TEST_CASE("logs shows what is kept and says what is lost", "[cli][process]") {
  ProcessContext context;
  const ProgramResult result = context.Run({"logs", "web", "server", "--tail", "2K"});
  CHECK(result.code == 0);
  CHECK(result.out == "one\n");
  CHECK(result.err == "note: 1234 bytes of output were dropped\ntwo\n");
  CHECK(context.host().processes().last_follow().tail_bytes() == 2048);
  CHECK_FALSE(context.host().processes().last_follow().follow());
}

TEST_CASE("logs of a command that has ended is no failure", "[cli][process]") {
  ProcessContext context;
  const ProgramResult result = context.Run({"logs", "web", "done", "--follow"});
  CHECK(result.code == 0);
  CHECK(result.out == "last words\n");
  CHECK(context.Run({"logs", "web", "nope"}).code == 4);
}

TEST_CASE("following ends with Ctrl-C", "[cli][process]") {
  ProcessContext context;
  RunningEmber logs = context.Start({"logs", "web", "server", "-f"});
  logs.ReadUntil("three");
  REQUIRE_OK(logs.process().Signal(SIGINT));
  CHECK(logs.Wait() == 130);
}

TEST_CASE("attach ends with the command's code", "[cli][process]") {
  ProcessContext context;
  const ProgramResult result = context.Run({"attach", "web", "done"});
  CHECK(result.code == 7);
  CHECK(result.out == "last words\n");
  CHECK(context.Run({"attach", "web", "nope"}).code == 125);
  CHECK(context.Run({"attach", "web", "shell"}, "x").code == 5);
}

TEST_CASE("an attached terminal is raw, has our size and gets our keys", "[cli][process][tty]") {
  ProcessContext context;
  RunningEmber attach = context.StartOnTerminal({"attach", "web", "shell"}, 30, 100);
  attach.ReadUntil("30x100");
  const winsize size{50, 132, 0, 0};
  REQUIRE(::ioctl(attach.input.get(), TIOCSWINSZ, &size) == 0);
  REQUIRE_OK(attach.process().Signal(SIGWINCH));
  attach.ReadUntil("50x132");
  attach.Write("\x03");
  attach.ReadUntil("key 3\n");
  attach.Write("x");
  CHECK(attach.Wait() == 5);
  termios mode{};
  REQUIRE(::tcgetattr(attach.input.get(), &mode) == 0);
  CHECK((mode.c_lflag & ICANON) != 0);
}

TEST_CASE("ctrl-p ctrl-q leaves the command running", "[cli][process][tty]") {
  ProcessContext context;
  RunningEmber attach = context.StartOnTerminal({"attach", "web", "shell"}, 30, 100);
  attach.ReadUntil("ready");
  attach.Write("\x10");
  attach.Write("a");
  attach.ReadUntil("key 16\nkey 97\n");
  attach.Write("\x10\x11");
  CHECK_THAT(attach.ReadUntil("goes on"), Contains("note: detached from 'shell', which goes on"));
  CHECK(attach.Wait() == 0);
}

TEST_CASE("kill names its signal in any way", "[cli][process]") {
  ProcessContext context;
  CHECK(context.Run({"kill", "web", "server"}).code == 0);
  CHECK(context.host().processes().last_signal().signal() == 15);
  CHECK_FALSE(context.host().processes().last_signal().leader_only());
  CHECK(context.Run({"kill", "web", "server", "--signal", "SIGUSR1", "--leader-only"}).code == 0);
  CHECK(context.host().processes().last_signal().signal() == 10);
  CHECK(context.host().processes().last_signal().leader_only());
  CHECK(context.Run({"kill", "web", "nope", "-s", "9"}).code == 4);
  const ProgramResult wrong = context.Run({"kill", "web", "server", "-s", "TREM"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, Contains("hint: did you mean TERM?"));
}

}  // namespace
}  // namespace ember::testing
