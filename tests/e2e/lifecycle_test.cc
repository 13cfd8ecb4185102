// The verbs of a VM on the real thing, and what is left when they fail.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/cancellation.h"
#include "base/file.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

TEST_CASE("a VM goes through its life and leaves nothing behind", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--label", "tier=front"});

  const nlohmann::json vm = ember.Json({"vm", "inspect", "web"});
  CHECK(vm["status"] == "running");
  CHECK(vm["agent"] == "ready");
  CHECK(vm["vsock"]["guest_cid"] == 3);
  CHECK(vm["labels"]["tier"] == "front");
  CHECK(ember.Exec("web", {"hostname"}) == "web\n");

  ember.EmberOk({"vm", "stop", "web"});
  CHECK(ember.Json({"vm", "inspect", "web"})["status"] == "stopped");
  CHECK(ember.Tagged().empty());
  CHECK_FALSE(std::filesystem::exists(ember.VmDir("web") / "vsock.sock"));
  // What was written before the stop is there after the next start.
  ember.EmberOk({"vm", "start", "web"});
  ember.Exec("web", {"echo kept > /root/file; sync"});
  ember.EmberOk({"vm", "stop", "web"});
  ember.EmberOk({"vm", "start", "web"});
  CHECK(ember.Exec("web", {"cat", "/root/file"}) == "kept\n");

  CHECK(ember.Ember({"vm", "delete", "web"}).exit.code == 5);  // it runs
  ember.EmberOk({"vm", "delete", "web", "--force"});
  CHECK(ember.Ember({"vm", "inspect", "web"}).exit.code == 4);
  CHECK(ember.Tagged().empty());
  CHECK_FALSE(std::filesystem::exists(ember.VmDir("web")));
}

TEST_CASE("the guest sees the whole disk that was asked for", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web", {"--disk", "2G"});
  // It grows in the background, after the agent is ready.
  ember.Exec("web", {"for i in $(seq 100); do [ $(df -k / | tail -n 1 | awk '{print $2}') -gt "
                     "1900000 ] && exit 0; sleep 0.1; done; df -k /; exit 1"});
}

TEST_CASE("two VMs run at once, each with its own CID, files and agent", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("one");
  ember.CreateVm("two");

  CHECK(ember.Json({"vm", "inspect", "one"})["vsock"]["guest_cid"] == 3);
  CHECK(ember.Json({"vm", "inspect", "two"})["vsock"]["guest_cid"] == 4);
  ember.Exec("one", {"echo one > /root/me"});
  CHECK(ember.Ember({"exec", "two", "--", "cat", "/root/me"}).exit.code == 1);
  CHECK(ember.Exec("two", {"hostname"}) == "two\n");
  CHECK(ember.Json({"vm", "list"}).size() == 2);
  ember.EmberOk({"vm", "stop", "--all", "--force"});
  for (const auto& vm : ember.Json({"vm", "list"})) CHECK(vm["status"] == "stopped");
  ember.EmberOk({"vm", "delete", "--all"});
  CHECK(ember.Json({"vm", "list"}).empty());
}

TEST_CASE("a guest that powers itself off is stopped, not failed", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  ember.Ember({"exec", "web", "--", "kill -TERM 1; poweroff -f"});
  ember.EmberOk({"vm", "wait", "web", "--for", "stopped"});
  CHECK(ember.Json({"vm", "inspect", "web"})["status"] == "stopped");
  CHECK(ember.Tagged().empty());
}

TEST_CASE("a killed QEMU makes the VM failed, tells of it and leaves nothing", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");

  const pid_t qemu = ember.Json({"vm", "inspect", "web"})["pid"];
  Process process = ValueOf(Process::Open(ValueOf(IdentifyProcess(qemu))));
  REQUIRE_OK(process.Signal(SIGKILL));
  ember.EmberOk({"vm", "wait", "web", "--for", "stopped"});

  const nlohmann::json vm = ember.Json({"vm", "inspect", "web"});
  CHECK(vm["status"] == "failed");
  CHECK(ember.Tagged().empty());
  CHECK_FALSE(std::filesystem::exists(ember.VmDir("web") / "vsock.sock"));
  const std::string events = ember.EmberOk({"events", "--after", "1", "--no-follow"});
  CHECK(events.find("failed") != std::string::npos);
  CHECK(events.find("signal 9") != std::string::npos);
  // And it can be started again.
  ember.EmberOk({"vm", "start", "web"});
  CHECK(ember.Exec("web", {"echo", "back"}) == "back\n");
}

TEST_CASE("the console shows the boot and the events its story", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  ember.Exec("web", {"echo a-mark-on-the-console > /dev/console"});
  CHECK(ember.EmberOk({"vm", "console", "web"}).find("a-mark-on-the-console") != std::string::npos);
  const std::string events = ember.EmberOk({"events", "--after", "1", "--no-follow"});
  for (const char* kind : {"created", "starting", "running", "agent-ready"}) {
    INFO(events);
    CHECK(events.find(kind) != std::string::npos);
  }
}

TEST_CASE("a create that can't start leaves nothing behind", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;

  SECTION("QEMU is missing") {
    ember.StartDaemon({"PATH=/nowhere"});
    const ToolResult result = ember.Ember({"vm", "create", "web", "--image", "busybox"});
    CHECK(result.exit.code != 0);
    CHECK(result.err.find("qemu") != std::string::npos);
    CHECK(result.err.find("hint: ") != std::string::npos);
  }
  SECTION("the kernel is damaged") {
    // It is a hard link to the prepared one: replaced, not overwritten.
    for (const auto& kernel : std::filesystem::directory_iterator(ember.state_dir() / "kernels")) {
      if (kernel.is_directory())
        REQUIRE_OK(WriteFileAtomically(kernel.path() / "vmlinux", "this is no kernel", 0600));
    }
    ember.StartDaemon();
    const ToolResult result = ember.Ember({"vm", "create", "web", "--image", "busybox"});
    CHECK(result.exit.code != 0);
    CHECK(result.err.find("error: ") != std::string::npos);
  }
  SECTION("the client is interrupted while the guest boots") {
    ember.StartDaemon();
    SpawnOptions client;
    client.argv = ember.EmberTool({"vm", "create", "web", "--image", "busybox"}).argv;
    Process process = ValueOf(Spawn(client));
    const Cancellation limit = Cancellation::After(absl::Seconds(30));
    while (ember.Tagged().empty()) REQUIRE_OK(limit.Pause(absl::Milliseconds(5), "the launch"));
    REQUIRE_OK(process.Signal(SIGINT));
    CHECK(ValueOf(process.Wait(limit)).code == 130);
    while (!ember.Json({"vm", "list"}).empty())
      REQUIRE_OK(limit.Pause(absl::Milliseconds(50), "the roll-back"));
  }
  CHECK(ember.Json({"vm", "list"}).empty());
  CHECK(ember.Tagged().empty());
  CHECK(std::filesystem::is_empty(ember.state_dir() / "vms"));
}

TEST_CASE("bad input gets a clear error, its exit code and nothing else", "[e2e][lifecycle]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  struct Case {
    std::vector<std::string> words;
    int code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"vm", "create", "web", "--image", "nothing"}, 4, "ember image"},
      {{"vm", "create", "web", "--image", "busybox", "--kernel", "nothing"}, 4, "ember kernel"},
      {{"vm", "create", "Web", "--image", "busybox"}, 2, "Web"},
      {{"vm", "create", "web", "--image", "busybox", "--memory", "512"},
       2,
       "bare number '512' requires a unit suffix (e.g., 512M or 512G)"},
      {{"vm", "create", "web", "--image", "busybox", "--cpus", "0"}, 2, "cpus"},
      {{"vm", "create", "web", "--image", "busybox", "--cpus", "4096"}, 2, "4096"},
      {{"vm", "create", "web", "--image", "busybox", "--disk", "1M"}, 2, "too small"},
      {{"vm", "start", "web"}, 4, "web"},
      {{"exec", "web", "--", "true"}, 125, "web"},
      {{"image", "import", "new", "/etc/passwd"}, 2, "/etc/passwd"},
      {{"kernel", "add", "/etc/passwd"}, 2, "/etc/passwd"},
      {{"image", "delete", "nothing"}, 4, "nothing"},
  };
  for (const Case& bad : cases) {
    const ToolResult result = ember.Ember(bad.words);
    INFO(bad.words[0] << " " << bad.words[1] << " " << bad.words.back() << "\n" << result.err);
    CHECK(result.exit.code == bad.code);
    CHECK(result.err.find("error: ") != std::string::npos);
    CHECK(result.err.find(bad.says) != std::string::npos);
  }
  CHECK(ember.Json({"vm", "list"}).empty());
}

}  // namespace
}  // namespace ember::testing
