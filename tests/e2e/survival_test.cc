// VMs outlive their daemon: restarts, crashes, and what the next daemon makes of what it finds.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/cancellation.h"
#include "base/file.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {
namespace {

#define REQUIRE_PREPARED() \
  if (!PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set: run ./tests/run")

TEST_CASE("a VM and what runs in it survive kill -9 of the daemon", "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const int qemu = ember.Json({"vm", "inspect", "web"})["pid"];

  // One in the background, and one whose client waits while the daemon dies.
  ember.Exec("web",
             {"(while true; do date +%s%N > /tmp/beat; sleep 0.1; done) > /dev/null 2>&1 &"});
  SpawnOptions client;
  client.argv = ember.EmberTool({"exec", "web", "--", "echo > /tmp/waiting; sleep 3174"}).argv;
  Process waiting = ValueOf(Spawn(client));
  ember.Exec("web", {"until [ -e /tmp/waiting ]; do sleep 0.05; done"});
  ember.KillDaemon();
  // Its fate is told, not guessed: the connection is gone and the command may have run.
  const int code = ValueOf(waiting.Wait(Cancellation::After(absl::Seconds(20)))).code.value_or(-1);
  CHECK(code == 125);

  ember.StartDaemon();
  const nlohmann::json vm = ember.Json({"vm", "inspect", "web"});
  CHECK(vm["status"] == "running");
  CHECK(vm["pid"] == qemu);
  ember.EmberOk({"vm", "wait", "web", "--for", "agent"});
  // The heart beats on: the process in the guest was not touched.
  CHECK(ember
            .Exec("web", {"a=$(cat /tmp/beat); for i in $(seq 100); do [ \"$(cat /tmp/beat)\" != "
                          "\"$a\" ] && exit 0; sleep 0.1; done; exit 1"})
            .empty());
  CHECK(ember.Exec("web", {"echo", "again"}) == "again\n");
  ember.EmberOk({"vm", "stop", "web"});
  CHECK(ember.Tagged().empty());
}

TEST_CASE("SIGTERM ends the daemon within five seconds and leaves VMs running", "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  ember.Exec("web", {"echo kept > /tmp/file"});

  const absl::Time begin = absl::Now();
  CHECK(ember.StopDaemon().code == 0);
  CHECK(absl::Now() - begin < absl::Seconds(5));
  CHECK_FALSE(ember.Tagged().empty());
  ember.StartDaemon();
  ember.EmberOk({"vm", "wait", "web", "--for", "agent"});
  CHECK(ember.Exec("web", {"cat", "/tmp/file"}) == "kept\n");
}

TEST_CASE("a VM whose machine died while no daemon ran is failed with the reason",
          "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const int qemu = ember.Json({"vm", "inspect", "web"})["pid"];
  ember.KillDaemon();
  Process process = ValueOf(Process::Open(ValueOf(IdentifyProcess(qemu))));
  REQUIRE_OK(process.Signal(SIGKILL));
  REQUIRE_OK(process.Wait(Cancellation::After(absl::Seconds(10))));

  ember.StartDaemon();
  CHECK(ember.Json({"vm", "inspect", "web"})["status"] == "failed");
  CHECK(ember.Tagged().empty());
  ember.EmberOk({"vm", "start", "web"});
  CHECK(ember.Exec("web", {"echo", "back"}) == "back\n");
}

TEST_CASE("a create under way is undone or finished after kill -9 of the daemon, at any time",
          "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  // From the first row to the booting guest: the kill comes later each time.
  for (const int delay_ms : {0, 3, 8, 15, 30, 60, 120, 250}) {
    INFO("killed after " << delay_ms << " ms");
    ember.StartDaemon();
    SpawnOptions client;
    client.argv =
        ember.EmberTool({"vm", "create", "web", "--image", "busybox", "--memory", "128M"}).argv;
    Process process = ValueOf(Spawn(client));
    REQUIRE_OK(Cancellation{}.Pause(absl::Milliseconds(delay_ms), "the create"));
    ember.KillDaemon();
    REQUIRE_OK(process.Wait(Cancellation::After(absl::Seconds(20))));

    ember.StartDaemon();
    const nlohmann::json vms = ember.VmsAtRest();
    const bool runs = !vms.empty() && vms[0]["status"] == "running";
    if (!runs) {
      CHECK(ember.Tagged().empty());
    }
    for (const auto& vm : vms) {
      const std::string status = vm["status"];
      INFO(status);
      CHECK((status == "created" || status == "running" || status == "failed"));
    }
    ember.EmberOk({"vm", "delete", "--all", "--force"});
    CHECK(ember.Tagged().empty());
    CHECK(std::filesystem::is_empty(ember.state_dir() / "vms"));
    CHECK(ember.StopDaemon().code == 0);
  }
}

TEST_CASE("a second daemon on the same state directory is refused", "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  ToolOptions second;
  second.argv = {
      std::filesystem::read_symlink(fmt::format("/proc/{}/exe", ember.daemon().identity().pid)),
      "--state-dir", ember.state_dir(), "--listen",
      "unix:" + (ember.state_dir() / "other.sock").native()};
  const ToolResult result = ValueOf(RunTool(second, Cancellation::After(absl::Seconds(20))));
  CHECK(result.exit.code == 1);
  CHECK(result.err.find("owns the state directory") != std::string::npos);
  CHECK(ember.Json({"vm", "list"}).empty());
}

TEST_CASE("a damaged state.db is refused with a way out and left as it is", "[e2e][survival]") {
  REQUIRE_PREPARED();
  Installation ember;
  ember.StartDaemon();
  CHECK(ember.StopDaemon().code == 0);
  const std::filesystem::path db = ember.state_dir() / "state.db";
  const std::string garbage = "this was a database once";
  std::ofstream(db, std::ios::trunc) << garbage;

  ToolOptions daemon;
  daemon.argv = {std::filesystem::path(EMBER_BIN_DIR) / "emberhostd", "--state-dir",
                 ember.state_dir()};
  const ToolResult result = ValueOf(RunTool(daemon, Cancellation::After(absl::Seconds(20))));
  CHECK(result.exit.code == 1);
  CHECK(result.err.find(db.native()) != std::string::npos);
  CHECK(result.err.find("hint: ") != std::string::npos);
  CHECK(ValueOf(ReadFile(db)) == garbage);
}

}  // namespace
}  // namespace ember::testing
