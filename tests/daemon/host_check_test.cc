#include <signal.h>

#include <array>

#include "base/file.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

namespace ember::daemon {
namespace {

using state::VmState;
using testing::Contains;
using testing::ValueOf;

// A daemon with VMs that have everything: an image, a kernel, a disk.
struct CheckContext : HostContext {
  CheckContext() : HostContext({.needs_kernel = true}) {
    AddImage("img");
    AddKernel("k");
  }
  VmView Make(std::string name, bool start) {
    CreateVmSpec spec = Spec(std::move(name));
    spec.image = "img";
    spec.start = start;
    return ValueOf(Create(spec));
  }
  void Run(const std::string& sql) {
    auto database = ValueOf(state::Database::Open(state_dir() / "state.db"));
    REQUIRE_OK(database->Trust());
    REQUIRE_OK(database->Execute("PRAGMA foreign_keys = OFF;" + sql));
  }
  std::string Actions(HostRepair::Mode mode) {
    std::string text;
    for (const Repair& repair : ValueOf(RepairAll(mode))) {
      text += fmt::format("{}: {}{};", repair.anomaly.kind, repair.action, repair.error);
    }
    return text;
  }
};

TEST_CASE("a host in order has no anomalies", "[daemon][check]") {
  CheckContext context;
  context.Make("idle", false);
  context.Make("web", true);
  REQUIRE_OK(context.Pause("web"));
  CHECK(context.Anomalies().empty());
  context.Restart();
  CHECK(context.Anomalies().empty());
}

TEST_CASE("files that are gone are named with their VM, and left to a person", "[daemon][check]") {
  CheckContext context;
  const VmView vm = context.Make("web", false);
  SECTION("the disk") {
    std::filesystem::remove(vm.record.disk.path);
    CHECK(context.Anomalies() == "disk-missing:web");
  }
  SECTION("the directory") {
    std::filesystem::remove_all(context.VmDir("web"));
    CHECK(context.Anomalies() == "directory-missing:web");
  }
  SECTION("the kernel") {
    std::filesystem::remove_all(context.state_dir() / "kernels/k");
    CHECK(context.Anomalies() == "kernel-missing:web");
  }
  const auto repairs = ValueOf(context.RepairAll());
  REQUIRE(repairs.size() == 1);
  CHECK(repairs[0].action.empty());
  CHECK_FALSE(repairs[0].anomaly.remedy.empty());
}

TEST_CASE("a vsock.sock that is gone is opened again", "[daemon][check]") {
  CheckContext context;
  const VmView vm = context.Make("web", true);
  std::filesystem::remove(vm.vsock_path);
  CHECK(context.Anomalies() == "socket-missing:web");
  CHECK(context.Actions(HostRepair::Mode::kDryRun) == "socket-missing: open its socket again;");
  CHECK_FALSE(std::filesystem::exists(vm.vsock_path));
  CHECK(context.Actions(HostRepair::Mode::kRepair) == "socket-missing: open its socket again;");
  CHECK(std::filesystem::is_socket(vm.vsock_path));
  CHECK(context.Anomalies().empty());
}

TEST_CASE("a VM whose process is gone unheard is settled as failed", "[daemon][check]") {
  CheckContext context;
  context.world.Plan({.has_process = false});
  context.Make("web", true);
  CHECK(context.Anomalies() == "process-gone:web");
  CHECK(context.Actions(HostRepair::Mode::kRepair) ==
        "process-gone: settle that the VM has ended;");
  CHECK(Contains(context.MustSee("web", "failed").message, "no process has pid"));
  CHECK(context.Anomalies().empty());
}

TEST_CASE("repairs that come at the same time settle an end once", "[daemon][check]") {
  CheckContext context;
  context.world.Plan({.has_process = false});
  context.Make("web", true);
  const int warnings = context.warnings;
  std::array<Awaited<std::vector<Repair>>, 4> repairs;
  for (auto& repair : repairs) {
    context.host().Repair(HostRepair::Mode::kRepair, repair.reply());
  }
  for (auto& repair : repairs) REQUIRE_OK(HostContext::Answer(std::move(repair)));
  const uint64_t failed = context.MustSee("web", "failed").sequence;
  context.Settle();
  CHECK(context.LastEvent() == failed);
  CHECK(context.warnings == warnings);  // nothing that would be tried again, on another machine
  CHECK(context.Anomalies().empty());
}

TEST_CASE("a directory that no VM explains is found and removed", "[daemon][check]") {
  CheckContext context;
  context.Make("web", false);
  REQUIRE_OK(MakeDirectories(context.VmDir("stray") / "deep", 0700));
  CHECK(context.Anomalies() == "directory-unknown:");
  CHECK(context.Actions(HostRepair::Mode::kRepair) == "directory-unknown: remove the directory;");
  CHECK_FALSE(std::filesystem::exists(context.VmDir("stray")));
  CHECK(std::filesystem::exists(context.VmDir("web")));
}

TEST_CASE("a tagged process of no machine is found and ended", "[daemon][check]") {
  CheckContext context;
  const std::string id = context.Summary().installation_id;
  SpawnOptions options;
  options.argv = {"sleep", "1000"};
  options.env = {{fmt::format("EMBER_INSTALLATION_ID={}", id), "EMBER_MACHINE_ID=nobody"}};
  Process stray = ValueOf(Spawn(options));
  CHECK(context.Anomalies() == "process-unknown:");
  CHECK(context.Actions(HostRepair::Mode::kRepair) == "process-unknown: end the process;");
  CHECK(ValueOf(stray.Wait(HostContext::Soon())).signal == SIGKILL);
  CHECK(context.Anomalies().empty());
}

TEST_CASE("leases that are lost are found, and leased again once the VM is off",
          "[daemon][check]") {
  CheckContext context;
  context.Make("web", true);
  context.End();
  context.Run("DELETE FROM cid_lease; DELETE FROM address_lease;");
  context.Begin();
  CHECK(context.Anomalies() == "address-missing:web cid-missing:web");
  CHECK(Contains(context.Actions(HostRepair::Mode::kRepair), "runs without it"));
  REQUIRE_OK(context.Stop("web"));
  CHECK(Contains(context.Actions(HostRepair::Mode::kRepair), "lease a number again"));
  CHECK(context.Anomalies().empty());
  CHECK(ValueOf(context.Get("web")).record.guest_cid == 3);
}

TEST_CASE("a row that changes behind the daemon's back is told", "[daemon][check]") {
  CheckContext context;
  context.Make("web", false);
  context.End();
  context.Run("INSERT INTO vm_label (vm_id, key, value) VALUES ('nobody', 'a', 'b')");
  context.Begin();
  CHECK(Contains(context.Anomalies(), "foreign-key"));
}

TEST_CASE("a VM that is being worked on is not called corrupted", "[daemon][check]") {
  CheckContext context;
  context.Make("web", true);
  context.world.kill_gate.Close();
  auto stop = context.BeginStop("web", {.force = true});
  REQUIRE_OK(context.world.kill_gate.AwaitSomebody());
  CHECK(context.Anomalies().empty());
  context.world.kill_gate.Open();
  REQUIRE_OK(HostContext::Answer(stop));
}

TEST_CASE("what is wrong when a daemon starts is logged at once", "[daemon][check]") {
  HostContext context;
  REQUIRE_OK(context.CreateIdle("web"));
  context.End();
  std::filesystem::remove_all(context.VmDir("web"));
  const int before = context.warnings;
  context.Begin();
  const Cancellation limit = HostContext::Soon();
  while (context.warnings == before) {
    REQUIRE_OK(limit.Pause(absl::Milliseconds(1), "the log"));
  }
  CHECK(context.Anomalies() == "directory-missing:web");
}

}  // namespace
}  // namespace ember::daemon
