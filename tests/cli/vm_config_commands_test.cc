#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// A fake daemon, and a file for --vm-config.
class ConfigContext : public EmberContext {
 public:
  using EmberContext::EmberContext;
  ProgramResult Create(const std::string& yaml, std::vector<std::string> words = {}) {
    std::ofstream(dir() / "vm.yaml") << yaml;
    words.insert(words.begin(), {"vm", "create", "--vm-config", dir() / "vm.yaml"});
    return Run(words);
  }
};

constexpr char kFile[] =
    "name: build\nimage: debian\ncpus: 2\nmemory: 2G\ndisk: 20G\nkernel: k\nbackend: b\n"
    "init: agent\nboot_args: quiet\nlabels: {team: core, tier: x}\nrestart: on-failure\n"
    "autostart: true\nttl: 2h\nstart: false\nwait: 5\n";

TEST_CASE("create sends what the file says", "[cli][vm_config]") {
  ConfigContext context;
  const ProgramResult result = context.Create(kFile);
  INFO(result.err);
  REQUIRE(result.code == 0);
  CHECK(result.out == "build\n");
  const v1::CreateVmRequest sent = context.host().last_create();
  CHECK(sent.image() == "debian");
  CHECK(sent.vcpus() == 2);
  CHECK(sent.memory_mib() == 2048);
  CHECK(sent.disk_bytes() == uint64_t{20} << 30);
  CHECK(sent.kernel() == "k");
  CHECK(sent.backend() == "b");
  CHECK(sent.init() == v1::CreateVmRequest::AGENT);
  CHECK(sent.boot_args() == "quiet");
  CHECK(sent.labels().at("team") == "core");
  CHECK(sent.restart_policy() == v1::ON_FAILURE);
  CHECK(sent.autostart());
  CHECK_FALSE(sent.remove_when_stopped());
  CHECK(sent.ttl().seconds() == 7200);
  CHECK(sent.no_start());
  CHECK(sent.agent_wait().seconds() == 5);
}

TEST_CASE("the command line wins over the file, label by label", "[cli][vm_config]") {
  ConfigContext context;
  REQUIRE(context
              .Create(kFile, {"two", "--image", "alpine", "--memory", "4G", "--label", "tier=y",
                              "--no-autostart", "--start", "--rm", "--restart", "no", "--boot-args",
                              "", "--wait", "0"})
              .code == 0);
  const v1::CreateVmRequest sent = context.host().last_create();
  CHECK(sent.name() == "two");
  CHECK(sent.image() == "alpine");
  CHECK(sent.vcpus() == 2);
  CHECK(sent.memory_mib() == 4096);
  CHECK(sent.labels().at("team") == "core");
  CHECK(sent.labels().at("tier") == "y");
  CHECK_FALSE(sent.autostart());
  CHECK_FALSE(sent.no_start());
  CHECK(sent.remove_when_stopped());
  CHECK(sent.restart_policy() == v1::NO);
  CHECK(sent.boot_args().empty());
  CHECK(sent.agent_wait().seconds() == 0);
}

TEST_CASE("what neither says is left to the daemon", "[cli][vm_config]") {
  ConfigContext context;
  REQUIRE(context.Create("image: debian\n", {"web"}).code == 0);
  const v1::CreateVmRequest sent = context.host().last_create();
  CHECK(sent.vcpus() == 0);
  CHECK(sent.memory_mib() == 0);
  CHECK(sent.disk_bytes() == 0);
  CHECK(sent.kernel().empty());
  CHECK(sent.backend().empty());
  CHECK(sent.restart_policy() == v1::RESTART_POLICY_UNSPECIFIED);
  CHECK_FALSE(sent.has_ttl());
  CHECK_FALSE(sent.no_start());
  CHECK(sent.agent_wait().seconds() == 90);
}

TEST_CASE("a dash reads the file from stdin", "[cli][vm_config]") {
  EmberContext context;
  const ProgramResult result =
      context.Run({"vm", "create", "--vm-config", "-"}, "name: a\nimage: debian\n");
  CHECK(result.code == 0);
  CHECK(result.out == "a\n");
  CHECK_THAT(context.Run({"vm", "create", "--vm-config", "-"}, "nmae: a\n").err,
             Contains("error: stdin:1: unknown key 'nmae'\nhint: did you mean 'name'?\n"));
}

TEST_CASE("a mistake in the file is a usage error that names the place", "[cli][vm_config]") {
  ConfigContext context(EmberContext::Daemon::kAbsent);
  const std::string file = context.dir() / "vm.yaml";
  const ProgramResult unknown = context.Create("image: a\nmemry: 1G\n");
  CHECK(unknown.code == 2);
  CHECK(unknown.err ==
        "error: " + file + ":2: unknown key 'memry'\nhint: did you mean 'memory'?\n");
  const ProgramResult empty = context.Create("");
  CHECK(empty.code == 2);
  CHECK_THAT(empty.err, Contains(file + ": is empty"));
  const ProgramResult missing = context.Run({"vm", "create", "--vm-config", "/no/such.yaml"});
  CHECK(missing.code == 4);
  CHECK_THAT(missing.err, Contains("error: /no/such.yaml: No such file or directory"));
}

TEST_CASE("a create needs a name and an image from somewhere", "[cli][vm_config]") {
  ConfigContext context(EmberContext::Daemon::kAbsent);
  const ProgramResult name = context.Create("image: a\n");
  CHECK(name.code == 2);
  CHECK_THAT(name.err, Contains("error: NAME is missing\nhint: give it here or as 'name'"));
  const ProgramResult image = context.Run({"vm", "create", "web"});
  CHECK(image.code == 2);
  CHECK_THAT(image.err,
             Contains("error: --image IMAGE is missing\nhint: give it here or as 'image'"));
}

TEST_CASE("a VM that goes when it stops can't be restarted", "[cli][vm]") {
  ConfigContext context(EmberContext::Daemon::kAbsent);
  for (const char* policy : {"always", "on-failure"}) {
    const ProgramResult flags =
        context.Run({"vm", "create", "web", "--image", "i", "--rm", "--restart", policy});
    CHECK(flags.code == 2);
    CHECK_THAT(flags.err, Contains("contradict each other"));
    CHECK_THAT(flags.err, Contains("hint: give --no-rm or --restart no"));
    // The same when one comes from a file and the other does not.
    const std::string yaml = std::string("name: a\nimage: i\nrestart: ") + policy + "\n";
    CHECK(context.Create(yaml, {"--rm"}).code == 2);
    CHECK(context.Create(yaml + "rm: true\n", {"--no-rm"}).code == 3);  // gets as far as the daemon
  }
}

TEST_CASE("create sends its policies", "[cli][vm]") {
  EmberContext context;
  REQUIRE(context
              .Run({"vm", "create", "web", "--image", "busybox", "--rm", "--ttl", "90m",
                    "--autostart", "--boot-args", "quiet loglevel=3"})
              .code == 0);
  const v1::CreateVmRequest sent = context.host().last_create();
  CHECK(sent.remove_when_stopped());
  CHECK(sent.ttl().seconds() == 5400);
  CHECK(sent.autostart());
  CHECK(sent.boot_args() == "quiet loglevel=3");
  REQUIRE(context.Run({"vm", "create", "two", "--image", "busybox", "--restart", "always"}).code ==
          0);
  CHECK(context.host().last_create().restart_policy() == v1::ALWAYS);

  const ProgramResult bare =
      context.Run({"vm", "create", "x", "--image", "busybox", "--ttl", "90"});
  CHECK(bare.code == 2);
  CHECK_THAT(bare.err, Contains("bare number '90' requires a unit suffix"));
  const ProgramResult word =
      context.Run({"vm", "create", "x", "--image", "busybox", "--restart", "onfailure"});
  CHECK(word.code == 2);
  CHECK_THAT(word.err, Contains("hint: did you mean 'on-failure'?"));
}

TEST_CASE("inspect shows policies, addresses and the time left", "[cli][vm]") {
  EmberContext context;
  context.Run({"vm", "create", "web", "--image", "busybox", "--ttl", "2h", "--restart",
               "on-failure", "--autostart", "--boot-args", "quiet", "--label", "a=1"});
  const std::string text = context.Run({"vm", "inspect", "web"}).out;
  CHECK_THAT(text, Contains("restart:       on-failure\n"));
  CHECK_THAT(text, Contains("autostart:     yes\n"));
  CHECK_THAT(text, Contains("rm:            no\n"));
  CHECK_THAT(text, Contains("boot args:     quiet\n"));
  CHECK_THAT(text, Contains("guest ip:      10.100.0.2\n"));
  CHECK_THAT(text, Contains("Z (in 1h59m)\n"));
  const json vm = json::parse(context.Run({"vm", "inspect", "web", "--format", "json"}).out);
  CHECK(vm["restart_policy"] == "on-failure");
  CHECK(vm["restarts"] == 0);
  CHECK(vm["next_start_at"].is_null());
  CHECK(vm["autostart"] == true);
  CHECK(vm["rm"] == false);
  CHECK(vm["boot_args"] == "quiet");
  CHECK(vm["network"] == json{{"guest_ip", "10.100.0.2"},
                              {"host_ip", "10.100.0.1"},
                              {"subnet", "10.100.0.0/16"},
                              {"prefix_length", 30}});
  absl::Time expires;
  REQUIRE(
      absl::ParseTime(absl::RFC3339_full, vm["expires_at"].get<std::string>(), &expires, nullptr));
  CHECK(expires > absl::Now() + absl::Minutes(110));
  CHECK(expires < absl::Now() + absl::Minutes(121));
}

TEST_CASE("inspect tells when the policy starts a VM again", "[cli][vm]") {
  EmberContext context;
  v1::Vm vm;
  vm.set_name("web");
  vm.set_state(v1::FAILED);
  vm.set_restart_policy(v1::ALWAYS);
  vm.set_restarts(3);
  vm.mutable_next_start_at()->set_seconds(1795500000);
  context.host().Add(vm);
  const std::string text = context.Run({"vm", "inspect", "web"}).out;
  CHECK_THAT(text, Contains("restarts:      3\n"));
  CHECK_THAT(text, Contains("next start:    2026-11-24T06:00:00Z\n"));
}

}  // namespace
}  // namespace ember::testing
