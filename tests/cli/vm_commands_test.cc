#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("create prints the name on stdout and the rest on stderr", "[cli][vm]") {
  EmberContext context;
  const ProgramResult result = context.Run({"vm", "create", "web", "--image", "busybox"});
  CHECK(result.code == 0);
  CHECK(result.out == "web\n");
  CHECK_THAT(result.err, Contains("creating vm 'web'\n"));
  CHECK_THAT(result.err, Contains("its agent is ready"));
}

TEST_CASE("quiet leaves the result alone", "[cli][vm]") {
  EmberContext context;
  const ProgramResult result = context.Run({"vm", "create", "web", "--image", "busybox", "-q"});
  CHECK(result.out == "web\n");
  CHECK(result.err.empty());
}

TEST_CASE("create sends what was asked for", "[cli][vm]") {
  EmberContext context;
  const ProgramResult result =
      context.Run({"vm",  "create",     "web",    "--image", "busybox",      "--cpus",
                   "2",   "--memory",   "1G",     "--disk",  "3G",           "--kernel",
                   "k",   "--backend",  "b",      "--init",  "agent",        "--label",
                   "a=1", "--no-start", "--wait", "1.5",     "--request-id", "r1"});
  REQUIRE(result.code == 0);
  const v1::CreateVmRequest sent = context.host().last_create();
  CHECK(sent.vcpus() == 2);
  CHECK(sent.memory_mib() == 1024);
  CHECK(sent.disk_bytes() == uint64_t{3} << 30);
  CHECK(sent.kernel() == "k");
  CHECK(sent.backend() == "b");
  CHECK(sent.init() == v1::CreateVmRequest::AGENT);
  CHECK(sent.labels().at("a") == "1");
  CHECK(sent.no_start());
  CHECK(sent.agent_wait().seconds() == 1);
  CHECK(sent.agent_wait().nanos() == 500'000'000);
  CHECK(sent.request_id() == "r1");
}

TEST_CASE("create waits for the agent for 90 seconds unless told otherwise", "[cli][vm]") {
  EmberContext context;
  REQUIRE(context.Run({"vm", "create", "a", "--image", "busybox"}).code == 0);
  CHECK(context.host().last_create().agent_wait().seconds() == 90);
  REQUIRE(context.Run({"vm", "create", "b", "--image", "busybox", "--wait", "0"}).code == 0);
  CHECK(context.host().last_create().has_agent_wait());
  CHECK(context.host().last_create().agent_wait().seconds() == 0);
}

TEST_CASE("an agent that is late is a note with a hint, not an error", "[cli][vm]") {
  EmberContext context;
  const ProgramResult result = context.Run({"vm", "create", "web", "--image", "deaf"});
  CHECK(result.code == 0);
  CHECK(result.out == "web\n");
  CHECK_THAT(result.err, Contains("hint: ember vm wait web --for agent"));
  const ProgramResult skipped =
      context.Run({"vm", "create", "two", "--image", "deaf", "--wait", "0"});
  CHECK(skipped.err.find("hint") == std::string::npos);
}

TEST_CASE("sizes are checked before the daemon is asked", "[cli][vm]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const auto create = [&](const std::string& memory) {
    return context.Run({"vm", "create", "web", "--image", "i", "--memory", memory});
  };
  CHECK(create("512").code == 2);
  CHECK_THAT(create("512").err, Contains("bare number '512' requires a unit suffix"));
  CHECK_THAT(create("1537K").err, Contains("--memory '1537K' is not a whole number of MiB"));
}

TEST_CASE("Ctrl-C during create cancels the call", "[cli][vm]") {
  EmberContext context;
  RunningEmber create = context.Start({"vm", "create", "web", "--image", "slow"});
  REQUIRE(context.host().AwaitSlowCreate());
  REQUIRE(create.process().Signal(SIGINT).ok());
  CHECK(create.Wait() == 130);
  CHECK(context.host().AwaitCancelledCreate());
}

TEST_CASE("a terminal gets a progress line that is gone at the end", "[cli][vm]") {
  EmberContext context;
  RunningEmber create =
      context.StartOnTerminal({"vm", "create", "web", "--image", "busybox"}, 24, 80);
  const std::string seen = create.ReadUntil("web\r\n");
  CHECK_THAT(seen, Contains("\r\x1b[Kcreating vm 'web'…"));
  CHECK_THAT(seen, Contains("\r\x1b[Jvm 'web' is running"));
  CHECK(create.Wait() == 0);
}

TEST_CASE("list shows a row for each VM", "[cli][vm]") {
  EmberContext context;
  context.Run({"vm", "create", "web", "--image", "busybox"});
  CHECK(context.Run({"vm", "list"}).out ==
        "NAME  STATUS   AGENT  IP          VSOCK  CPUS  MEM   DISK  USED  IMAGE\n"
        "web   running  ready  10.100.0.2  ✓      1     512M  8G    12M   busybox\n");
}

TEST_CASE("JSON has the keys that scripts know, and null for what is absent", "[cli][vm]") {
  EmberContext context;
  context.Run(
      {"vm", "create", "web", "--image", "busybox", "--label", "team=a", "--disk", "1536M"});
  const ProgramResult result = context.Run({"--format", "json", "vm", "list"});
  CHECK(result.err.empty());
  const json list = json::parse(result.out);
  REQUIRE(list.size() == 1);
  json vm = list[0];
  // Only a list comes with a check.
  CHECK(vm["corrupted"] == false);
  vm.erase("corrupted");
  vm.erase("anomalies");
  CHECK(vm["name"] == "web");
  CHECK(vm["id"] == "id-of-web");
  CHECK(vm["used_bytes"] == 12 << 20);
  CHECK(vm["status"] == "running");
  CHECK(vm["agent"] == "ready");
  CHECK(vm["image"] == "busybox");
  CHECK(vm["cpus"] == 1);
  CHECK(vm["memory_mib"] == 512);
  CHECK(vm["disk_size_gib"] == 1.5);
  CHECK(vm["pid"] == 4711);
  CHECK(vm["created_at"] == "2026-11-24T06:00:00Z");
  CHECK(vm["network"]["guest_ip"] == "10.100.0.2");
  CHECK(vm["vsock"]["guest_cid"] == 3);
  CHECK(vm["vsock"]["uds_path"] == "/run/vsock.sock");
  CHECK(vm["labels"]["team"] == "a");
  for (const char* key : {"kernel_path", "disk_path", "parent_vm", "ssh"}) {
    INFO(key);
    REQUIRE(vm.contains(key));
    CHECK(vm[key].is_null());
  }
  CHECK(json::parse(context.Run({"vm", "inspect", "web", "--format", "json"}).out) == vm);
}

TEST_CASE("stop --all and delete --all reach every VM", "[cli][vm]") {
  EmberContext context;
  context.AddVm("a");
  context.AddVm("b");
  const ProgramResult refused = context.Run({"vm", "delete", "--all"});
  CHECK(refused.code == 5);
  CHECK_THAT(refused.err, Contains("error: vm 'a' is running"));
  CHECK_THAT(refused.err, Contains("error: vm 'b' is running"));
  CHECK(context.Run({"vm", "stop", "--all"}).out == "a\nb\n");
  CHECK(context.Run({"vm", "stop", "--all"}).out.empty());
  CHECK(json::parse(context.Run({"vm", "delete", "--all", "--format", "json"}).out) ==
        json{{"deleted", {"a", "b"}}});
  CHECK(json::parse(context.Run({"vm", "list", "--format", "json"}).out) == json::array());
}

TEST_CASE("a name and --all exclude each other", "[cli][vm]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  CHECK(context.Run({"vm", "delete", "web", "--all"}).code == 2);
  CHECK(context.Run({"vm", "stop"}).code == 2);
}

TEST_CASE("a wait that runs out has the deadline's exit code and a hint", "[cli][vm]") {
  EmberContext context;
  context.Run({"vm", "create", "web", "--image", "deaf"});
  const ProgramResult late = context.Run({"vm", "wait", "web", "--timeout", "100ms"});
  CHECK(late.code == 7);
  CHECK_THAT(late.err, Contains("error: vm 'web': agent did not answer within 0.1s"));
  CHECK_THAT(late.err, Contains("hint: ember vm console web"));
  context.Run({"vm", "stop", "web"});
  CHECK(context.Run({"vm", "wait", "web", "--for", "stopped"}).code == 0);
}

TEST_CASE("the console is shown as it is", "[cli][vm]") {
  EmberContext context;
  CHECK(context.Run({"vm", "console", "web"}).out == "Linux \x1b[1mbooted\x1b[0m\nlogin: ");
  RunningEmber follow = context.Start({"vm", "console", "web", "--follow"});
  CHECK_THAT(follow.ReadUntil("login: "), Contains("booted"));
  REQUIRE(follow.process().Signal(SIGINT).ok());
  CHECK(follow.Wait() == 130);
}

TEST_CASE("events that have happened are shown and the command ends", "[cli][events]") {
  EmberContext context;
  context.Run({"vm", "create", "a", "--image", "busybox"});
  context.Run({"vm", "create", "b", "--image", "busybox", "--no-start"});
  const ProgramResult all = context.Run({"events", "--no-follow"});
  CHECK(all.code == 0);
  CHECK(std::count(all.out.begin(), all.out.end(), '\n') == 3);
  const ProgramResult of_a =
      context.Run({"events", "--no-follow", "--vm", "a", "--after", "1", "--format", "json"});
  const json event = json::parse(of_a.out);
  CHECK(event["sequence"] == 2);
  CHECK(event["kind"] == "running");
  CHECK(event["vm"] == "a");
  CHECK(event["status"] == "running");
}

TEST_CASE("events are followed from now on", "[cli][events]") {
  EmberContext context;
  RunningEmber events = context.Start({"events", "--after", "0"});
  context.Run({"vm", "create", "web", "--image", "busybox"});
  CHECK_THAT(events.ReadUntil("running"), Contains("created"));
  REQUIRE(events.process().Signal(SIGINT).ok());
  CHECK(events.Wait() == 130);
}

}  // namespace
}  // namespace ember::testing
