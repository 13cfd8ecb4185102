// Start-up time of the CLI, memory of the daemon and of the devices, sizes of the programs.
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::bench {
namespace {

using testing::ValueOf;

// The sum of the lines that begin with one of `keys`, in KiB.
long SumKib(const std::string& text, std::initializer_list<const char*> keys) {
  long sum = 0;
  for (const char* key : keys) {
    for (size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
      sum += std::stol(text.substr(text.find(':', at) + 1));
    }
  }
  return sum;
}

long RssKib(pid_t pid) {
  return SumKib(ValueOf(ReadFile(fmt::format("/proc/{}/status", pid))), {"VmRSS"});
}

long PrivateKib(pid_t pid) {
  return SumKib(ValueOf(ReadFile(fmt::format("/proc/{}/smaps_rollup", pid))),
                {"Private_Clean", "Private_Dirty"});
}

TEST_CASE("start-up time and memory", "[footprint]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  constexpr int kRounds = 100;
  constexpr int kVms = 10;
  testing::Installation ember;
  ember.StartDaemon();
  const pid_t daemon = ember.daemon().identity().pid;

  Samples version, list;
  for (int round = 0; round < kRounds; ++round) {
    version.Add(TimeOfProgram(ember.EmberTool({"version"}).argv));
    list.Add(TimeOfProgram(ember.EmberTool({"vm", "list"}).argv));
  }
  std::printf("ember version: %s\nember vm list: %s\n", version.Describe().c_str(),
              list.Describe().c_str());
  std::printf("emberhostd, no VM: RSS %ld KiB, private %ld KiB\n", RssKib(daemon),
              PrivateKib(daemon));
  for (int i = 0; i < kVms; ++i) ember.CreateVm(fmt::format("vm-{}", i));
  std::printf("emberhostd, %d VMs: RSS %ld KiB, private %ld KiB\n", kVms, RssKib(daemon),
              PrivateKib(daemon));
  for (const ProcessIdentity& process : ember.Tagged()) {
    const std::string name = ValueOf(ReadFile(fmt::format("/proc/{}/comm", process.pid)));
    if (name.starts_with("ember-vsock")) {
      std::printf("ember-vsock-device %d: private %ld KiB\n", process.pid, PrivateKib(process.pid));
    }
  }
  for (const char* program : {"ember", "emberd", "emberhostd", "ember-vsock-device"}) {
    std::printf("%s: %ju bytes (not stripped)\n", program,
                static_cast<uintmax_t>(
                    std::filesystem::file_size(std::filesystem::path(EMBER_BIN_DIR) / program)));
  }
}

}  // namespace
}  // namespace ember::bench
