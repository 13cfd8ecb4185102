#include <nlohmann/json.hpp>

#include <csignal>

#include "base/cancellation.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("stats makes rates of two answers", "[cli][care]") {
  EmberContext context;
  const json stats = json::parse(context.Run({"vm", "stats", "web", "--format", "json"}).out);
  REQUIRE(stats.size() == 1);
  CHECK(stats[0]["name"] == "web");
  CHECK(stats[0]["cpu_percent"] == 50.0);
  CHECK(stats[0]["memory_used_bytes"] == 128 << 20);
  CHECK(stats[0]["net_rx_bytes_per_second"] == 2048.0);
  const auto table = context.Run({"vm", "stats", "web"});
  CHECK_THAT(table.out, Contains("50.0%") && Contains("128M of 512M") && Contains("2.0K/s"));
}

TEST_CASE("stats shows every VM that runs, or those that are named", "[cli][care]") {
  EmberContext context;
  context.AddVm("a");
  context.AddVm("b");
  CHECK(json::parse(context.Run({"vm", "stats", "--format", "json"}).out).size() == 2);
  CHECK(json::parse(context.Run({"vm", "stats", "b", "a", "--format", "json"}).out).size() == 2);
  context.AddVm("gone");
  const auto all = context.Run({"vm", "stats", "--format", "json"});
  CHECK(all.code == 0);
  CHECK(json::parse(all.out).size() == 2);
  CHECK_THAT(all.err, Contains("vm 'gone' not found"));
  CHECK(context.Run({"vm", "stats", "gone"}).code == 4);
}

TEST_CASE("watch redraws on a terminal until Ctrl-C", "[cli][care]") {
  EmberContext context;
  RunningEmber watch = context.StartOnTerminal({"vm", "stats", "web", "--watch"}, 24, 120);
  CHECK_THAT(watch.ReadUntil("\x1b[2A\x1b[J"), Contains("NAME"));
  REQUIRE_OK(watch.process().Signal(SIGINT));
  CHECK(watch.Wait() == 0);
}

TEST_CASE("wait --for port waits until it is served", "[cli][care]") {
  EmberContext context;
  context.AddVm("web");
  RunningEmber wait = context.Start({"vm", "wait", "web", "--for", "port:80"});
  const Cancellation limit = Cancellation::After(absl::Seconds(10));
  while (context.host().care().waits == 0 && !limit.done()) {
    limit.Pause(absl::Milliseconds(5), "wait").IgnoreError();
  }
  REQUIRE(context.host().care().waits == 1);
  context.host().care().Serve(80);
  CHECK(wait.ReadUntil("web\n") == "web\n");
  CHECK(wait.Wait() == 0);
}

TEST_CASE("wait --for port says what it waited for in vain", "[cli][care]") {
  EmberContext context;
  const auto result = context.Run({"vm", "wait", "web", "--for", "port:81", "--timeout", "50ms"});
  CHECK(result.code == 7);
  CHECK_THAT(result.err, Contains("vm 'web': nothing listened on port 81 within"));
}

TEST_CASE("what can't be waited for is a usage error", "[cli][care]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  for (const char* condition : {"port:", "port:0", "port:65536", "port:web", "ready", ""}) {
    INFO(condition);
    CHECK(context.Run({"vm", "wait", "web", "--for", condition}).code == 2);
  }
}

}  // namespace
}  // namespace ember::testing
