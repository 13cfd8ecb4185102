#include <nlohmann/json.hpp>

#include "tests/cli/ember_program.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

v1::Anomaly AnomalyOf(const std::string& kind, const std::vector<std::string>& vms,
                      bool repairable) {
  v1::Anomaly anomaly;
  anomaly.set_kind(kind);
  for (const std::string& vm : vms) anomaly.add_vm_names(vm);
  anomaly.set_message("it is " + kind);
  anomaly.set_remedy(repairable ? "ember host repair" : "look at the disk");
  anomaly.set_repairable(repairable);
  return anomaly;
}

// A fake daemon with three VMs with labels.
class LabelledVms : public EmberContext {
 public:
  LabelledVms() {
    Run({"vm", "create", "a", "--image", "i", "--label", "team=core", "--label", "tier=1"});
    Run({"vm", "create", "b", "--image", "i", "--label", "team=core", "--no-start"});
    Run({"vm", "create", "c", "--image", "i", "--label", "team=web"});
  }
  std::vector<std::string> List(std::vector<std::string> words) {
    words.insert(words.begin(), {"vm", "list", "--format", "json"});
    std::vector<std::string> names;
    for (const json& vm : json::parse(Run(words).out)) names.push_back(vm["name"]);
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_CASE("list filters by label and by state", "[cli][vm]") {
  LabelledVms context;
  CHECK(context.List({"--filter", "label=team=core"}) == Names{"a", "b"});
  CHECK(context.List({"--filter", "label=tier"}) == Names{"a"});
  CHECK(context.List({"--filter", "label=team=core", "--filter", "label=tier=1"}) == Names{"a"});
  CHECK(context.List({"--filter", "label=tier", "--filter", "label=tier=2"}).empty());
  CHECK(context.List({"--filter", "status=created"}) == Names{"b"});
  CHECK(context.List({"--status", "created", "--filter", "status=running"}) ==
        Names{"a", "b", "c"});
  CHECK(context.List({"--status", "running", "--filter", "label=team=core"}) == Names{"a"});
}

TEST_CASE("a filter that means nothing is a usage error", "[cli][vm]") {
  EmberContext context(EmberContext::Daemon::kAbsent);
  const auto error = [&context](std::vector<std::string> words) {
    words.insert(words.begin(), {"vm", "list"});
    const ProgramResult result = context.Run(words);
    CHECK(result.code == 2);
    return result.err;
  };
  CHECK_THAT(error({"--filter", "stauts=running"}), Contains("hint: did you mean 'status='?"));
  CHECK_THAT(error({"--filter", "team"}), Contains("label=KEY, label=KEY=VALUE, status=STATE"));
  CHECK_THAT(error({"--filter", "status=runing"}), Contains("hint: did you mean 'running'?"));
  CHECK_THAT(error({"--status", "up"}), Contains("--status 'up' is none of creating"));
  CHECK_THAT(error({"--filter", "label="}), Contains("names no label"));
  CHECK_THAT(error({"--filter", "label=a="}), Contains("'label=a' finds the label"));
  CHECK_THAT(error({"--filter", "label=a=1", "--filter", "label=a=2"}),
             Contains("label 'a' can't be '1' and '2' at the same time"));
}

TEST_CASE("list marks the VMs that something is wrong with", "[cli][vm]") {
  LabelledVms context;
  context.host().AddAnomaly(AnomalyOf("process-gone", {"a", "c"}, true));
  context.host().AddAnomaly(AnomalyOf("directory-unknown", {}, false));
  const ProgramResult table = context.Run({"vm", "list", "--quiet"});
  CHECK(table.code == 0);
  CHECK_THAT(table.out, Contains("a     running [CORRUPTED]  ready"));
  CHECK_THAT(table.out, Contains("b     created              -"));
  CHECK(table.err ==
        "warning: process-gone (a, c): it is process-gone\n"
        "warning: directory-unknown: it is directory-unknown\n");
  // Also when what is wrong is with a VM that is filtered out.
  const ProgramResult filtered = context.Run({"vm", "list", "--status", "created"});
  CHECK_THAT(filtered.err, Contains("warning: process-gone (a, c)"));
  CHECK_THAT(filtered.err, Contains("hint: run 'ember host check' for what to do about it\n"));

  const json list = json::parse(context.Run({"vm", "list", "--format", "json"}).out);
  CHECK(list[0]["corrupted"] == true);
  REQUIRE(list[0]["anomalies"].size() == 1);
  CHECK(list[0]["anomalies"][0]["kind"] == "process-gone");
  CHECK(list[0]["anomalies"][0]["vm_names"] == json{"a", "c"});
  CHECK(list[1]["corrupted"] == false);
  CHECK(list[1]["anomalies"] == json::array());
}

TEST_CASE("a check that could not run is not taken for a clean host", "[cli][vm]") {
  LabelledVms context;
  context.host().BreakCheck("state.db can't be read");
  const ProgramResult result = context.Run({"vm", "list", "--quiet", "--format", "json"});
  CHECK(result.code == 0);
  CHECK(json::parse(result.out).size() == 3);
  CHECK(result.err ==
        "warning: the check of the host could not run: state.db can't be read; this list may hide "
        "damage\n");
  CHECK(context.Run({"host", "check"}).code == 1);
  CHECK_THAT(context.Run({"host", "check"}).err, Contains("error: state.db can't be read"));
  CHECK(context.Run({"host", "repair"}).code == 1);
}

TEST_CASE("check finds nothing on a clean host", "[cli][host]") {
  EmberContext context;
  const ProgramResult check = context.Run({"host", "check"});
  CHECK(check.code == 0);
  CHECK(check.out == "no anomalies found\n");
  CHECK(context.Run({"host", "check", "--format", "json"}).out == "[]\n");
  const ProgramResult repair = context.Run({"host", "repair"});
  CHECK(repair.code == 0);
  CHECK(repair.out == "no anomalies found\n");
}

TEST_CASE("check shows what is wrong and fails", "[cli][host]") {
  EmberContext context;
  context.host().AddAnomaly(AnomalyOf("cid-missing", {"web"}, true));
  const ProgramResult check = context.Run({"host", "check"});
  CHECK(check.code == 1);
  CHECK(check.out ==
        "KIND         VM   MESSAGE            REMEDY\n"
        "cid-missing  web  it is cid-missing  ember host repair\n");
  CHECK_THAT(check.err, Contains("hint: ember host repair --dry-run\n"));
  const ProgramResult as_json = context.Run({"host", "check", "--format", "json"});
  CHECK(as_json.code == 1);
  CHECK(json::parse(as_json.out) == json::array({{{"kind", "cid-missing"},
                                                  {"vm_names", {"web"}},
                                                  {"message", "it is cid-missing"},
                                                  {"remedy", "ember host repair"},
                                                  {"repairable", true}}}));
  context.host().FailNext(grpc::PERMISSION_DENIED, "not for you");
  CHECK(context.Run({"host", "check"}).code == 8);
}

TEST_CASE("repair puts right what it can, once", "[cli][host]") {
  EmberContext context;
  context.host().AddAnomaly(AnomalyOf("cid-missing", {"web"}, true));
  const ProgramResult dry = context.Run({"host", "repair", "--dry-run"});
  CHECK(dry.code == 0);
  CHECK(dry.out ==
        "KIND         VM   RESULT        DETAIL\n"
        "cid-missing  web  would repair  put right cid-missing\n");
  CHECK(context.Run({"host", "check"}).code == 1);
  const ProgramResult real = context.Run({"host", "repair"});
  CHECK(real.code == 0);
  CHECK_THAT(real.out, Contains("web  repaired  put right cid-missing\n"));
  CHECK(context.Run({"host", "check"}).code == 0);
}

TEST_CASE("repair fails when something fails or is left to a person", "[cli][host]") {
  EmberContext context;
  SECTION("left") {
    context.host().AddAnomaly(AnomalyOf("directory-unknown", {}, false));
    const ProgramResult result = context.Run({"host", "repair"});
    CHECK(result.code == 1);
    CHECK_THAT(result.out, Contains("left to you  it is directory-unknown: look at the disk\n"));
    const json repair = json::parse(context.Run({"host", "repair", "--format", "json"}).out)[0];
    CHECK(repair["action"].is_null());
    CHECK(repair["error"].is_null());
  }
  SECTION("failed") {
    context.host().AddAnomaly(AnomalyOf("cid-missing", {"web"}, true), "the disk is full");
    const ProgramResult result = context.Run({"host", "repair"});
    CHECK(result.code == 1);
    CHECK_THAT(result.out, Contains("failed  put right cid-missing: the disk is full\n"));
    const json repair = json::parse(context.Run({"host", "repair", "--format", "json"}).out)[0];
    CHECK(repair["error"] == "the disk is full");
    CHECK(repair["kind"] == "cid-missing");
  }
}

TEST_CASE("host info shows guest memory and the subnet", "[cli][host]") {
  EmberContext context;
  context.AddVm("web");
  const std::string text = context.Run({"host", "info"}).out;
  CHECK_THAT(text, Contains("guest memory:     512M of 3276M\n"));
  CHECK_THAT(text, Contains("subnet:           10.100.0.0/16\n"));
  const json host = json::parse(context.Run({"host", "info", "--format", "json"}).out);
  CHECK(host["memory_limit_mib"] == 3276);
  CHECK(host["memory_used_mib"] == 512);
  CHECK(host["subnet"] == "10.100.0.0/16");
}

}  // namespace
}  // namespace ember::testing
