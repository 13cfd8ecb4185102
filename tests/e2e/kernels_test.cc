// Kernels on the real thing: where they come from, and that VMs boot what they are told to.
#include <sys/utsname.h>

#include <filesystem>
#include <string>

#include "tests/e2e/installation.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

// The one kernel of the prepared state.
nlohmann::json PreparedKernel(const Installation& ember) {
  const nlohmann::json kernels = ember.Json({"kernel", "list"});
  REQUIRE(kernels.size() == 1);
  return kernels[0];
}

TEST_CASE("a second kernel by path boots a VM, as the default too", "[e2e][kernel]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  const nlohmann::json first = PreparedKernel(ember);
  const std::filesystem::path file = first["path"].get<std::string>();
  const std::string modules = (file.parent_path() / "modules").native();
  ember.EmberOk({"kernel", "add", file.native(), "--modules", modules, "--name", "second"});

  const nlohmann::json second = ember.Json({"kernel", "inspect", "second"});
  CHECK(second["version"] == first["version"]);
  CHECK(second["source"] == "file:" + file.native());
  CHECK(second["pvh"] == true);
  CHECK(second["drivers"]["virtio_blk"] == "module");
  CHECK(second["is_default"] == false);

  ember.CreateVm("named", {"--kernel", "second"});
  CHECK(ember.Json({"vm", "inspect", "named"})["kernel"] == "second");
  CHECK(ember.Exec("named", {"uname", "-r"}) == second["version"].get<std::string>() + "\n");

  ember.EmberOk({"kernel", "set-default", "second"});
  ember.CreateVm("unnamed");
  CHECK(ember.Json({"vm", "inspect", "unnamed"})["kernel"] == "second");
  CHECK(ember.Ember({"kernel", "delete", "second"}).exit.code == 5);  // in use
}

TEST_CASE("the host's own kernel is taken, or the reason told", "[e2e][kernel]") {
  Installation ember;
  ember.StartDaemon();
  struct utsname host {};
  REQUIRE(uname(&host) == 0);
  const ToolResult result = ember.Ember({"kernel", "add", "host"});
  INFO(result.err);
  if (std::filesystem::exists(std::string("/boot/vmlinuz-") + host.release)) {
    CHECK((result.exit.code == 0 || result.err.find("error: ") == 0));
    return;
  }
  CHECK(result.exit.code == 5);
  CHECK(result.err.find(std::string("(") + host.release + ") has no file here") !=
        std::string::npos);
  CHECK(result.err.find("hint: run 'ember kernel add debian'") != std::string::npos);
}

TEST_CASE("what VMs and images take is told, and what is theirs alone", "[e2e][storage]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.EmberOk({"vm", "create", "idle", "--image", "busybox", "--no-start"});
  const nlohmann::json usage = ember.Json({"storage", "usage"});
  CHECK(usage["pool"]["capacity_bytes"] > usage["pool"]["free_bytes"]);
  int seen = 0;
  for (const nlohmann::json& item : usage["items"]) {
    INFO(item.dump());
    CHECK(item["exclusive_bytes"] <= item["referenced_bytes"]);
    if (item["kind"] == "vm") {
      CHECK(item["name"] == "idle");
      CHECK(item["referenced_bytes"] > item["exclusive_bytes"]);  // its image
      ++seen;
    }
    seen += item["kind"] == "image" || item["kind"] == "kernel" ? 1 : 0;
  }
  CHECK(seen == 3);
  const nlohmann::json vms = ember.Json({"vm", "list"});
  CHECK(vms[0]["used_bytes"].is_number());
}

}  // namespace
}  // namespace ember::testing
