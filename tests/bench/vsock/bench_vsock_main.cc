// bench_vsock: boots a guest with an ember-vsock-device and measures what goes through it.

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "tests/bench/vsock/guest.h"
#include "tests/bench/vsock/measure.h"

namespace ember::bench {
namespace {

constexpr const char* kUsage =
    R"(usage: bench_vsock --kernel VMLINUX (--modules DIR | --initramfs FILE)
                   [--device PATH] [--guest PATH] [--qemu PROGRAM] [--runs N] [--mib N] [--kills N]

Boots a q35 guest under emulation and prints throughput both ways, the round trip of one byte, the
rate of connect + ping + close, N runs of each (5) and their medians; then kills the device's worker
N times under load (20; 0 leaves it out) and prints the time to the next exchange.
)";

struct Settings {
  GuestFiles files;
  int runs = 5;
  int mib = 256;
  int kills = 20;
};

// Where the programs of this build are: <build>/bin and here.
std::filesystem::path NextToUs(std::string_view name) {
  return std::filesystem::canonical("/proc/self/exe").parent_path() / name;
}

absl::StatusOr<int> ParseCount(std::string_view name, const std::string& text) {
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && *stop == '\0' && value >= 0) return value;
  return InvalidArgument("{} '{}': not a number", name, text);
}

absl::StatusOr<Settings> Parse(int argc, char** argv) {
  Settings settings;
  settings.files.device = NextToUs("ember-vsock-device");
  settings.files.init = NextToUs("bench_vsock_guest");
  const std::map<std::string, std::function<absl::Status(const std::string&)>, std::less<>> flags =
      {
          {"--kernel",
           [&](const std::string& v) {
             settings.files.kernel = v;
             return absl::OkStatus();
           }},
          {"--modules",
           [&](const std::string& v) {
             settings.files.modules = v;
             return absl::OkStatus();
           }},
          {"--initramfs",
           [&](const std::string& v) {
             settings.files.initramfs = v;
             return absl::OkStatus();
           }},
          {"--device",
           [&](const std::string& v) {
             settings.files.device = v;
             return absl::OkStatus();
           }},
          {"--guest",
           [&](const std::string& v) {
             settings.files.init = v;
             return absl::OkStatus();
           }},
          {"--qemu",
           [&](const std::string& v) {
             settings.files.qemu = v;
             return absl::OkStatus();
           }},
          {"--runs",
           [&](const std::string& v) -> absl::Status {
             ASSIGN_OR_RETURN(settings.runs, ParseCount("--runs", v));
             return absl::OkStatus();
           }},
          {"--mib",
           [&](const std::string& v) -> absl::Status {
             ASSIGN_OR_RETURN(settings.mib, ParseCount("--mib", v));
             return absl::OkStatus();
           }},
          {"--kills",
           [&](const std::string& v) -> absl::Status {
             ASSIGN_OR_RETURN(settings.kills, ParseCount("--kills", v));
             return absl::OkStatus();
           }},
      };
  for (int i = 1; i < argc; i += 2) {
    const auto flag = flags.find(std::string_view(argv[i]));
    if (flag == flags.end() || i + 1 == argc) return InvalidArgument("bad option '{}'", argv[i]);
    RETURN_IF_ERROR(flag->second(argv[i + 1]));
  }
  if (settings.files.kernel.empty() ||
      (settings.files.modules.empty() && settings.files.initramfs.empty())) {
    return InvalidArgument("--kernel and one of --modules and --initramfs are needed");
  }
  return settings;
}

using Measure = std::function<absl::StatusOr<double>(const Guest&)>;

absl::Status PrintRow(std::string_view name, int runs, const Guest& guest, const Measure& measure) {
  std::vector<double> values;
  std::string cells;
  for (int i = 0; i < runs; ++i) {
    ASSIGN_OR_RETURN(const double value, measure(guest));
    values.push_back(value);
    cells += fmt::format("{:9.0f}", value);
  }
  fmt::print("{:<28}{:9.0f}  |{}\n", name, Percentile(values, 0.5), cells);
  std::fflush(stdout);
  return absl::OkStatus();
}

absl::Status PrintRoundTrips(int runs, const Guest& guest) {
  std::vector<double> p50;
  std::vector<double> p99;
  for (int i = 0; i < runs; ++i) {
    ASSIGN_OR_RETURN(const RoundTrips trips, PingPong(guest, 5000));
    p50.push_back(trips.p50_us);
    p99.push_back(trips.p99_us);
  }
  fmt::print("{:<28}{:9.0f}  | best {:.0f}\n", "1-byte round trip p50, us", Percentile(p50, 0.5),
             Percentile(p50, 0));
  fmt::print("{:<28}{:9.0f}  | best {:.0f}\n", "1-byte round trip p99, us", Percentile(p99, 0.5),
             Percentile(p99, 0));
  return absl::OkStatus();
}

absl::Status PrintKills(int kills, const Guest& guest) {
  if (kills == 0) return absl::OkStatus();
  std::vector<double> millis;
  for (int i = 0; i < kills; ++i) {
    ASSIGN_OR_RETURN(const double value, KillWorker(guest));
    millis.push_back(value);
  }
  fmt::print(
      "SIGKILL of the worker under load, {} times: next exchange after (ms) median {:.1f}, "
      "fastest {:.1f}, slowest {:.1f}\n",
      kills, Percentile(millis, 0.5), Percentile(millis, 0), Percentile(millis, 1));
  return absl::OkStatus();
}

// Memory that is nobody else's, as the kernel counts it.
absl::Status PrintMemory(const char* name, pid_t pid) {
  ASSIGN_OR_RETURN(const std::string rollup, ReadFile(fmt::format("/proc/{}/smaps_rollup", pid)));
  std::string line = fmt::format("{} memory, KiB:", name);
  uint64_t private_kib = 0;
  for (const char* key : {"Private_Clean:", "Private_Dirty:"}) {
    const size_t at = rollup.find(key);
    if (at != std::string::npos)
      private_kib += std::stoull(rollup.substr(at + std::string_view(key).size()));
  }
  fmt::print("{} private {}\n", line, private_kib);
  return absl::OkStatus();
}

absl::Status Run(const Settings& settings) {
  ASSIGN_OR_RETURN(const Guest guest, Guest::Start(settings.files));
  const uint64_t mib = static_cast<uint64_t>(settings.mib);
  const int runs = settings.runs;
  fmt::print("QEMU's start to the guest's first connection: {} ms\n", guest.boot_time().count());
  fmt::print("{:<28}{:>9}  | runs\n", "", "median");
  RETURN_IF_ERROR(PrintRow("host to guest, MiB/s", runs, guest,
                           [mib](const Guest& g) { return HostToGuest(g, mib); }));
  RETURN_IF_ERROR(PrintRow("guest to host, MiB/s", runs, guest,
                           [mib](const Guest& g) { return GuestToHost(g, mib); }));
  RETURN_IF_ERROR(PrintRoundTrips(runs, guest));
  RETURN_IF_ERROR(PrintRow("connect + ping + close, /s", runs, guest,
                           [](const Guest& g) { return ConnectRate(g, 2000); }));
  RETURN_IF_ERROR(PrintMemory("keeper", guest.keeper()));
  ASSIGN_OR_RETURN(const pid_t worker, guest.Worker());
  RETURN_IF_ERROR(PrintMemory("worker", worker));
  return PrintKills(settings.kills, guest);
}

}  // namespace
}  // namespace ember::bench

int main(int argc, char** argv) {
  const auto settings = ember::bench::Parse(argc, argv);
  if (!settings.ok()) {
    fmt::print(stderr, "error: {}\n{}", ember::Message(settings.status()), ember::bench::kUsage);
    return 2;
  }
  const absl::Status status = ember::bench::Run(*settings);
  if (status.ok()) return 0;
  fmt::print(stderr, "error: {}\n", ember::Message(status));
  return 1;
}
