#include <sys/socket.h>

#include "base/socket.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("without a daemon the error says how to start one", "[cli][errors]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  SECTION("no socket") {}
  SECTION("a socket that nobody listens on") {
    // Closed at once: the file stays.
    REQUIRE_OK(ListenUnix(context.socket(), 0600));
  }
  const ProgramResult result = context.Run({"vm", "list"});
  CHECK(result.code == 3);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains("error: the daemon is not running"));
  CHECK_THAT(result.err, Contains("hint: run 'ember daemon start'"));
}

TEST_CASE("the hint for a missing daemon names the daemon that was meant", "[cli][errors]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const std::string dir = context.dir() / "state";
  CHECK_THAT(context.Run({"--state-dir", dir, "vm", "list"}).err,
             Contains("ember daemon start --state-dir " + dir));
}

TEST_CASE("the daemon's error, its hint and its code reach the shell", "[cli][errors]") {
  EmberContext context;
  const ProgramResult result = context.Run({"vm", "inspect", "web"});
  CHECK(result.code == 4);
  CHECK(result.out.empty());
  CHECK(result.err == "error: vm 'web' does not exist\nhint: ember vm list\n");
}

TEST_CASE("each gRPC code has its exit code", "[cli][errors]") {
  EmberContext context;
  const std::vector<std::pair<grpc::StatusCode, int>> codes = {
      {grpc::INVALID_ARGUMENT, 2},
      {grpc::UNAVAILABLE, 3},
      {grpc::NOT_FOUND, 4},
      {grpc::ALREADY_EXISTS, 5},
      {grpc::FAILED_PRECONDITION, 5},
      {grpc::ABORTED, 5},
      {grpc::RESOURCE_EXHAUSTED, 6},
      {grpc::DEADLINE_EXCEEDED, 7},
      {grpc::PERMISSION_DENIED, 8},
      {grpc::UNAUTHENTICATED, 8},
      {grpc::INTERNAL, 1},
      {grpc::UNIMPLEMENTED, 1},
      {grpc::OUT_OF_RANGE, 1},
      {grpc::CANCELLED, 1},
  };
  for (const auto& [code, exit_code] : codes) {
    INFO(code);
    context.host().FailNext(code, "no luck");
    CHECK(context.Run({"vm", "list"}).code == exit_code);
  }
}

TEST_CASE("a VM that went away has an exit code of its own", "[cli][errors]") {
  EmberContext context;
  v1::ErrorDetail detail;
  detail.set_reason("VM_WENT_AWAY");
  context.host().FailNext(grpc::UNAVAILABLE, "vm 'web' went away", detail);
  CHECK(context.Run({"vm", "inspect", "web"}).code == 9);
}

TEST_CASE("an error can neither move the cursor nor fake a hint", "[cli][errors]") {
  EmberContext context;
  context.host().FailNext(grpc::INTERNAL, "qemu: \x1b[2Jbad\nhint: rm -rf /");
  CHECK(context.Run({"vm", "list"}).err == "error: qemu: \\e[2Jbad\n  hint: rm -rf /\n");
}

TEST_CASE("a full disk under the output is a failure", "[cli][errors]") {
  EmberContext context;
  context.AddVm("web");
  CHECK(context.RunOnFiles({"vm", "list"}, "/dev/null", "/dev/full") == 6);
}

TEST_CASE("the host is picked by flag, state directory or variable", "[cli][errors]") {
  EmberContext context;
  context.AddVm("web");
  const std::string address = context.env()["EMBER_HOST"];
  context.env().erase("EMBER_HOST");
  CHECK(context.Run({"vm", "list", "--host", address}).code == 0);
  CHECK(context.Run({"--host", address, "vm", "list"}).code == 0);
  CHECK(context.Run({"vm", "--state-dir", context.dir(), "list"}).code == 0);
  CHECK(context.Run({"--host", "tcp:1", "vm", "list"}).code == 2);
}

}  // namespace
}  // namespace ember::testing
