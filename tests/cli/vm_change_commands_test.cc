#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// A fake daemon with one VM that is off.
class StoppedVm : public EmberContext {
 public:
  StoppedVm() {
    Run({"vm", "create", "web", "--image", "busybox", "--no-start", "--label", "team=core",
         "--label", "old=1", "--boot-args", "quiet"});
  }
  json Inspect(const std::string& name) {
    return json::parse(Run({"vm", "inspect", name, "--format", "json"}).out);
  }
};

TEST_CASE("restart stops, starts and waits as it is told", "[cli][vm]") {
  EmberContext context;
  context.AddVm("web");
  const ProgramResult plain = context.Run({"vm", "restart", "web"});
  CHECK(plain.code == 0);
  CHECK(plain.out == "web\n");
  CHECK_THAT(plain.err, Contains("restarting vm 'web'\n"));
  CHECK_THAT(plain.err, Contains("its agent is ready"));
  CHECK(context.host().last_restart().agent_wait().seconds() == 90);
  CHECK_FALSE(context.host().last_restart().has_grace());

  REQUIRE(context.Run({"vm", "restart", "web", "--force", "--grace", "5s", "--wait", "0"}).code ==
          0);
  const v1::RestartVmRequest sent = context.host().last_restart();
  CHECK(sent.force());
  CHECK(sent.grace().seconds() == 5);
  CHECK(sent.has_agent_wait());
  CHECK(sent.agent_wait().seconds() == 0);
}

TEST_CASE("an agent that is late after a restart is a note with a hint", "[cli][vm]") {
  EmberContext context;
  context.Run({"vm", "create", "web", "--image", "deaf"});
  const ProgramResult result = context.Run({"vm", "restart", "web"});
  CHECK(result.code == 0);
  CHECK_THAT(result.err, Contains("hint: ember vm wait web --for agent"));
}

TEST_CASE("a VM is paused and goes on", "[cli][vm]") {
  EmberContext context;
  context.AddVm("web");
  const ProgramResult paused = context.Run({"vm", "pause", "web"});
  CHECK(paused.code == 0);
  CHECK(paused.out == "web\n");
  CHECK_THAT(paused.err, Contains("vm 'web' is paused"));
  const ProgramResult resumed = context.Run({"vm", "resume", "web", "--format", "json"});
  CHECK(resumed.code == 0);
  CHECK(json::parse(resumed.out)["status"] == "running");
}

TEST_CASE("a verb in the wrong state has its exit code and the daemon's hint", "[cli][vm]") {
  EmberContext context;
  context.AddVm("web");
  const ProgramResult resume = context.Run({"vm", "resume", "web"});
  CHECK(resume.code == 5);
  CHECK(resume.out.empty());
  CHECK_THAT(resume.err, Contains("error: vm 'web' is running: can't resume it"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"vm", "rename", "web", "two"},
        {"vm", "update", "web", "--cpus", "2"}}) {
    const ProgramResult refused = context.Run(words);
    CHECK(refused.code == 5);
    CHECK_THAT(refused.err, Contains("hint: ember vm stop web"));
  }
  context.Run({"vm", "stop", "web"});
  CHECK(context.Run({"vm", "pause", "web"}).code == 5);
}

TEST_CASE("a verb on a VM that is not there has the exit code of that", "[cli][vm]") {
  EmberContext context;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"restart", "no"},
                                                {"pause", "no"},
                                                {"resume", "no"},
                                                {"rename", "no", "two"},
                                                {"update", "no", "--cpus", "2"}}) {
    INFO(words[0]);
    std::vector<std::string> all = {"vm"};
    all.insert(all.end(), words.begin(), words.end());
    const ProgramResult result = context.Run(all);
    CHECK(result.code == 4);
    CHECK_THAT(result.err, Contains("hint: ember vm list"));
  }
}

TEST_CASE("rename prints the new name", "[cli][vm]") {
  StoppedVm context;
  const ProgramResult renamed = context.Run({"vm", "rename", "web", "old-web"});
  CHECK(renamed.code == 0);
  CHECK(renamed.out == "old-web\n");
  CHECK(renamed.err == "vm 'web' is now 'old-web'\n");
  CHECK(context.Inspect("old-web")["id"] == "id-of-web");
  CHECK(context.Run({"vm", "inspect", "web"}).code == 4);
  context.AddVm("other");
  CHECK(context.Run({"vm", "rename", "old-web", "other"}).code == 5);
  CHECK(context.Run({"vm", "rename", "old-web"}).err ==
        "error: NEW is missing\nhint: run 'ember vm rename --help'\n");
}

TEST_CASE("update changes what is given and nothing else", "[cli][vm]") {
  StoppedVm context;
  const ProgramResult updated = context.Run(
      {"vm", "update", "web", "--cpus", "4", "--memory", "2G", "--label", "a=1", "--labels",
       "b=2,c=3", "--remove-label", "old", "--restart", "always", "--autostart", "--kernel", "k2"});
  INFO(updated.err);
  REQUIRE(updated.code == 0);
  CHECK(updated.out == "web\n");
  const json vm = context.Inspect("web");
  CHECK(vm["cpus"] == 4);
  CHECK(vm["memory_mib"] == 2048);
  CHECK(vm["kernel"] == "k2");
  CHECK(vm["boot_args"] == "quiet");
  CHECK(vm["labels"] == json{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"team", "core"}});
  CHECK(vm["restart_policy"] == "always");
  CHECK(vm["autostart"] == true);
}

TEST_CASE("update can take things away again, by its other name, too", "[cli][vm]") {
  StoppedVm context;
  context.Run({"vm", "update", "web", "--autostart", "--restart", "always"});
  const ProgramResult updated =
      context.Run({"vm", "update-config", "web", "--boot-args", "", "--no-autostart", "--restart",
                   "no", "--format", "json"});
  REQUIRE(updated.code == 0);
  const json vm = json::parse(updated.out);
  CHECK(vm["boot_args"].is_null());
  CHECK(vm["autostart"] == false);
  CHECK(vm["restart_policy"] == "no");
  CHECK(vm["labels"]["team"] == "core");
}

TEST_CASE("an update that says nothing or contradicts itself is a usage error", "[cli][vm]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const auto update = [&context](std::vector<std::string> words) {
    words.insert(words.begin(), {"vm", "update", "web"});
    const ProgramResult result = context.Run(words);
    CHECK(result.code == 2);
    return result.err;
  };
  CHECK(update({}) ==
        "error: no configuration changes specified\n"
        "hint: give one or more of --cpus, --memory, --kernel, --boot-args, --label, --labels, "
        "--remove-label, --restart, --autostart and --no-autostart\n");
  CHECK_THAT(update({"--label", "a=1", "--remove-label", "a"}),
             Contains("error: label 'a' is both set and removed"));
  CHECK_THAT(update({"--remove-label", "a=1"}),
             Contains("error: --remove-label 'a=1' is not a label's key"));
  CHECK_THAT(update({"--memory", "1537K"}), Contains("is not a whole number of MiB"));
  CHECK_THAT(update({"--restart", "allways"}), Contains("hint: did you mean 'always'?"));
  CHECK_THAT(update({"--labels", "a"}), Contains("--labels 'a' is not KEY=VALUE"));
  CHECK_THAT(context.Run({"vm", "update-confg", "web"}).err,
             Contains("did you mean 'ember vm update-config'?"));
}

}  // namespace
}  // namespace ember::testing
