#include "cli/commands/stats_text.h"

#include <algorithm>

#include "absl/time/time.h"
#include "base/size.h"
#include "base/status.h"
#include "cli/duration.h"
#include "cli/json_dump.h"
#include "cli/table.h"

namespace ember::cli {
namespace {

absl::Duration UptimeOf(const v1::VmStats& stats) {
  return absl::Seconds(stats.uptime().seconds()) + absl::Nanoseconds(stats.uptime().nanos());
}

// A guest that was started anew in between has counted from zero.
uint64_t Grown(uint64_t before, uint64_t now) { return now > before ? now - before : 0; }

double PerSecond(const StatsSample& sample, uint64_t grown) {
  const absl::Duration span = UptimeOf(sample.now) - UptimeOf(sample.before);
  return span > absl::ZeroDuration() ? static_cast<double>(grown) / absl::ToDoubleSeconds(span) : 0;
}

uint64_t MemoryUsed(const v1::VmStats& stats) {
  return Grown(stats.memory_available_bytes(), stats.memory_total_bytes());
}

// "1.2G": three digits at most, for a person.
std::string RoughSize(double bytes) {
  constexpr std::string_view kUnits = "BKMGTP";
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  const int decimals = bytes < 10 && unit > 0 ? 1 : 0;
  return fmt::format("{:.{}f}{}", bytes, decimals, kUnits[unit]);
}

std::string UsedOf(uint64_t used, uint64_t total) {
  return fmt::format("{} of {}", RoughSize(static_cast<double>(used)),
                     RoughSize(static_cast<double>(total)));
}

}  // namespace

double CpuPercent(const StatsSample& sample) {
  const uint64_t total = Grown(sample.before.cpu_total_ms(), sample.now.cpu_total_ms());
  const uint64_t busy = Grown(sample.before.cpu_busy_ms(), sample.now.cpu_busy_ms());
  if (total == 0) return 0;
  return std::min(100.0, 100.0 * static_cast<double>(busy) / static_cast<double>(total));
}

double ReceivedPerSecond(const StatsSample& sample) {
  return PerSecond(sample, Grown(sample.before.net_rx_bytes(), sample.now.net_rx_bytes()));
}

double SentPerSecond(const StatsSample& sample) {
  return PerSecond(sample, Grown(sample.before.net_tx_bytes(), sample.now.net_tx_bytes()));
}

std::string StatsTableText(const std::vector<StatsSample>& samples) {
  Table table({"NAME", "CPU", "VCPUS", "MEMORY", "DISK", "RECEIVES", "SENDS", "PROCESSES", "LOAD",
               "UPTIME"});
  for (const StatsSample& sample : samples) {
    const v1::VmStats& now = sample.now;
    table.Add({now.vm(), fmt::format("{:.1f}%", CpuPercent(sample)), std::to_string(now.vcpus()),
               UsedOf(MemoryUsed(now), now.memory_total_bytes()),
               UsedOf(now.disk_used_bytes(), now.disk_total_bytes()),
               RoughSize(ReceivedPerSecond(sample)) + "/s", RoughSize(SentPerSecond(sample)) + "/s",
               std::to_string(now.processes()), fmt::format("{:.2f}", now.load_1m()),
               FormatRemaining(UptimeOf(now))});
  }
  return table.Text();
}

std::string StatsJsonText(const std::vector<StatsSample>& samples) {
  Json list = Json::array();
  for (const StatsSample& sample : samples) {
    const v1::VmStats& now = sample.now;
    list.push_back({{"name", now.vm()},
                    {"cpu_percent", CpuPercent(sample)},
                    {"vcpus", now.vcpus()},
                    {"memory_used_bytes", MemoryUsed(now)},
                    {"memory_total_bytes", now.memory_total_bytes()},
                    {"disk_used_bytes", now.disk_used_bytes()},
                    {"disk_total_bytes", now.disk_total_bytes()},
                    {"net_rx_bytes", now.net_rx_bytes()},
                    {"net_tx_bytes", now.net_tx_bytes()},
                    {"net_rx_bytes_per_second", ReceivedPerSecond(sample)},
                    {"net_tx_bytes_per_second", SentPerSecond(sample)},
                    {"processes", now.processes()},
                    {"load_1m", now.load_1m()},
                    {"uptime_seconds", absl::ToDoubleSeconds(UptimeOf(now))}});
  }
  return Dump(list);
}

}  // namespace ember::cli
