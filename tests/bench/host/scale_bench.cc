// A daemon with many VMs: creates, lists, memory, a restart, and machines that the next daemon
// adopts.
#include <fmt/format.h>

#include <cstdio>

#include "base/file.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/host_calls.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

testing::Installation::Shape LocalShape() {
  return {.daemon = {}, .daemon_words = {"--allow-insecure-local"}, .log_level = "warn"};
}

long RssKib(const testing::Installation& ember) {
  const std::string status =
      ValueOf(ReadFile(fmt::format("/proc/{}/status", ember.daemon().identity().pid)));
  return std::stol(status.substr(status.find("VmRSS:") + 6));
}

TEST_CASE("many VMs that do not run", "[scale]") {
  testing::Installation ember(LocalShape());
  ember.StartDaemon();
  const long empty_kib = RssKib(ember);
  int made = 0;
  for (const int vms : {100, 300, 1000}) {
    testing::HostCalls calls(ember.state_dir() / "emberhostd.sock");
    Samples create, list, restart;
    while (made < vms) {
      const std::string name = fmt::format("vm-{}", made++);
      grpc::Status status;
      create.Add(TimeOf([&] { status = calls.CreateIdle(name); }));
      INFO(status.error_message());
      REQUIRE(status.ok());
    }
    const long rss_kib = RssKib(ember);
    for (int round = 0; round < 30; ++round) {
      list.Add(TimeOfProgram(ember.EmberTool({"vm", "list"}).argv));
    }
    for (int round = 0; round < 7; ++round) {
      ember.StopDaemon();
      restart.Add(TimeOf([&ember] { ember.StartDaemon(); }));
    }
    std::printf("%4d VMs: create %s\n", vms, create.Describe().c_str());
    std::printf("          ember vm list %s\n", list.Describe().c_str());
    std::printf("          restart to serving %s\n", restart.Describe().c_str());
    std::printf("          RSS %ld KiB, %.1f KiB a VM\n", rss_kib,
                static_cast<double>(rss_kib - empty_kib) / vms);
    std::fflush(stdout);
  }
}

TEST_CASE("100 machines are adopted", "[scale]") {
  constexpr int kVms = 100;
  testing::Installation ember(LocalShape());
  ember.StartDaemon();
  testing::HostCalls calls(ember.state_dir() / "emberhostd.sock");
  for (int i = 0; i < kVms; ++i) {
    const grpc::Status made = calls.CreateLocal(fmt::format("vm-{}", i));
    INFO(made.error_message());
    REQUIRE(made.ok());
  }
  Samples adopt, all_ready;
  for (int round = 0; round < 7; ++round) {
    ember.KillDaemon();
    const absl::Duration serving = TimeOf([&ember] { ember.StartDaemon(); });
    adopt.Add(serving);
    const absl::Duration rest = TimeOf([&ember] {
      for (int i = 0; i < kVms; ++i) ember.EmberOk({"vm", "wait", fmt::format("vm-{}", i)});
    });
    all_ready.Add(serving + rest);
    std::vector<v1::Vm> vms;
    testing::HostCalls fresh(ember.state_dir() / "emberhostd.sock");
    REQUIRE(fresh.List(vms).ok());
    for (const v1::Vm& vm : vms) REQUIRE(vm.state() == v1::RUNNING);
  }
  std::printf("%d machines, kill -9 to serving with all adopted: %s\n", kVms,
              adopt.Describe().c_str());
  std::printf("          until `ember vm wait` has found each agent: %s\n",
              all_ready.Describe().c_str());
}

}  // namespace
}  // namespace ember::bench
