// From the wish to have a VM running to its agent being ready, against QEMU by hand, turn by turn.
#include <cstdio>
#include <optional>

#include "tests/bench/host/raw_qemu.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

TEST_CASE("launch to agent ready against raw QEMU", "[launch]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  constexpr int kRounds = 10;
  testing::Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const nlohmann::json vm = ember.Json({"vm", "inspect", "web"});
  const auto process =
      testing::ValueOf(Process::Open(testing::ValueOf(IdentifyProcess(vm["pid"].get<int>()))));
  const auto boot = BootOptionsOf(process);
  const std::string disk = vm["disk_path"];
  const std::string format = disk.ends_with("qcow2") ? "qcow2" : "raw";
  ember.EmberOk({"vm", "stop", "web"});

  const testing::TempDir dir;
  Samples raw, ours;
  for (int round = 0; round < kRounds; ++round) {
    std::optional<RawQemu> qemu;
    raw.Add(TimeOf([&] {
      qemu.emplace(boot, disk, format, dir.path());
      qemu->AwaitReady();
    }));
    qemu.reset();
    ours.Add(TimeOfProgram(ember.EmberTool({"vm", "start", "web", "--quiet"}).argv));
    ember.EmberOk({"vm", "stop", "web", "--force"});
  }
  std::printf("launch, raw QEMU:      %s\n", raw.Describe().c_str());
  std::printf("launch, ember vm start: %s\n", ours.Describe().c_str());
  std::printf("ratio of the medians: %.3f\n", absl::FDivDuration(ours.Median(), raw.Median()));
}

}  // namespace
}  // namespace ember::bench
