// What the agent reads in /proc, and its clock.
#include "base/status.h"
#include "guest-agent/guest_clock.h"
#include "guest-agent/guest_stats.h"
#include "guest-agent/listening_ports.h"
#include "guest-agent/proc_text.h"
#include "guest-agent/processes.h"
#include "tests/support/status_matchers.h"

using namespace ember;
using namespace ember::agent;

TEST_CASE("busy time is all that is neither idle nor waiting", "[agent][stats]") {
  const CpuTimes times = ParseCpuTimes(
      "cpu  10 20 30 400 50 6 7 8 1000 1000\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3\nintr 5\n", 100);
  CHECK(times.vcpus == 2);
  CHECK(times.total_ms == 5310);
  CHECK(times.busy_ms == 810);
  CHECK(ParseCpuTimes("", 100).total_ms == 0);
}

TEST_CASE("the busy share of a sample stays within 0 and 100", "[agent][stats]") {
  CHECK(BusyPercent({100, 1000, 1}, {150, 1100, 1}) == 50);
  CHECK(BusyPercent({100, 1000, 1}, {100, 1000, 1}) == 0);
  CHECK(BusyPercent({100, 1000, 1}, {90, 1100, 1}) == 0);
  CHECK(BusyPercent({100, 1000, 1}, {300, 1100, 1}) == 100);
}

TEST_CASE("memory and network are read from their tables", "[agent][stats]") {
  const MemoryUse memory = ParseMemoryUse(
      "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:\t 400 kB\nSwapTotal: 9 kB\n");
  CHECK(memory.total_bytes == 1024000);
  CHECK(memory.available_bytes == 409600);
  const NetworkUse network = ParseNetworkUse(
      "Inter-|   Receive |  Transmit\n face |bytes    packets\n"
      "    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"
      "  eth0:1000 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n"
      "  eth1: 7 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n  odd: 1\n");
  CHECK(network.rx_bytes == 1007);
  CHECK(network.tx_bytes == 23);
}

TEST_CASE("this system's numbers make sense", "[agent][stats]") {
  const v1::Stats stats = ReadStats();
  CHECK(stats.vcpus() >= 1);
  CHECK(stats.cpu_total_ms() > stats.cpu_busy_ms());
  CHECK(stats.memory_total_bytes() > stats.memory_available_bytes());
  CHECK(stats.disk_total_bytes() > stats.disk_used_bytes());
  CHECK(stats.processes() >= 1);
  CHECK(stats.uptime_ms() > 0);
}

TEST_CASE("only sockets that listen count as listening", "[agent][ports]") {
  CHECK(ListeningPort("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:0") == 0x1f90);
  CHECK(ListeningPort("   1: 00000000000000000000000001000000:0016 000:0000 0A 0") == 22);
  CHECK_FALSE(ListeningPort("   0: 0100007F:1F90 0100007F:0016 01 00000000:00000000").has_value());
  CHECK_FALSE(ListeningPort("  sl  local_address rem_address   st tx_queue rx_queue").has_value());
  CHECK_FALSE(ListeningPort("0: 1F90 0 0A").has_value());
  CHECK_FALSE(ListeningPort("0: 0:1F90F 0 0A").has_value());
  CHECK_FALSE(ListeningPort("0: 0: 0 0A").has_value());
  CHECK_FALSE(ListeningPort("").has_value());
}

TEST_CASE("lines and words come without what is between them", "[agent][proc]") {
  CHECK(LinesOf("a\n\nb") == std::vector<std::string_view>{"a", "", "b"});
  CHECK(LinesOf("a\n") == std::vector<std::string_view>{"a"});
  CHECK(WordsOf(" \ta  b\t") == std::vector<std::string_view>{"a", "b"});
  CHECK(WordsOf("").empty());
  CHECK(NumberOf("12kB") == 12);
  CHECK(NumberOf("x") == 0);
}

TEST_CASE("a process is found with its words and its folder", "[agent][proc]") {
  CHECK(WorkingDirectoryOf(getpid()) == std::filesystem::current_path());
  CHECK_FALSE(CommandLineOf(getpid()).empty());
  CHECK(ResidentKib(getpid()) > 0);
  CHECK(HoldProcesses([](pid_t pid) { return pid == getpid() || pid == 1; }).empty());
}

namespace {

// A clock and a pool that remember.
struct FakeClock {
  absl::Time time;
  std::string pool;
  absl::Status refusal;

  ClockSetter Setter() {
    return {.set_time =
                [this](absl::Time value) {
                  if (refusal.ok()) time = value;
                  return refusal;
                },
            .add_entropy =
                [this](std::string_view bytes) {
                  pool += bytes;
                  return absl::OkStatus();
                }};
  }
};

v1::SetClock ClockRequest(int64_t unix_ns, std::string entropy) {
  v1::SetClock request;
  request.set_unix_ns(unix_ns);
  request.set_entropy(std::move(entropy));
  return request;
}

}  // namespace

TEST_CASE("the clock is set and entropy goes to the pool", "[agent][clock]") {
  FakeClock clock;
  REQUIRE_OK(SetClock(ClockRequest(1'700'000'000'000'000'001, "random"), clock.Setter()));
  CHECK(absl::ToUnixNanos(clock.time) == 1'700'000'000'000'000'001);
  CHECK(clock.pool == "random");
  REQUIRE_OK(SetClock(ClockRequest(1, ""), clock.Setter()));
  CHECK(clock.pool == "random");
}

TEST_CASE("a clock request that makes no sense changes nothing", "[agent][clock]") {
  FakeClock clock;
  for (const auto& request :
       {ClockRequest(0, "x"), ClockRequest(-1, "x"), ClockRequest(1, std::string(513, 'x'))}) {
    CHECK(absl::IsInvalidArgument(SetClock(request, clock.Setter())));
  }
  clock.refusal = PermissionDenied("no");
  CHECK(absl::IsPermissionDenied(SetClock(ClockRequest(1, "x"), clock.Setter())));
  CHECK(clock.time == absl::UnixEpoch());
  CHECK(clock.pool.empty());
}
