#include "guest-agent/guest_stats.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "guest-agent/guest_identity.h"
#include "guest-agent/proc_text.h"
#include "guest-agent/processes.h"

namespace ember::agent {
namespace {

std::string Proc(const char* path) { return ReadFile(path).value_or(""); }

// Columns of a line of /proc/stat behind its name, proc(5). Those after kSteal are part of others.
enum CpuColumn { kIdle = 4, kIoWait = 5, kSteal = 8 };

}  // namespace

CpuTimes ParseCpuTimes(std::string_view text, uint64_t ticks_per_second) {
  CpuTimes times;
  for (const std::string_view line : LinesOf(text)) {
    const auto words = WordsOf(line);
    if (words.empty() || !words[0].starts_with("cpu")) continue;
    if (words[0] != "cpu") {
      ++times.vcpus;
      continue;
    }
    uint64_t total = 0;
    uint64_t idle = 0;
    for (size_t i = 1; i < words.size() && i <= kSteal; ++i) {
      const uint64_t ticks = NumberOf(words[i]);
      total += ticks;
      if (i == kIdle || i == kIoWait) idle += ticks;
    }
    times.total_ms = total * 1000 / ticks_per_second;
    times.busy_ms = (total - idle) * 1000 / ticks_per_second;
  }
  return times;
}

MemoryUse ParseMemoryUse(std::string_view text) {
  MemoryUse use;
  for (const std::string_view line : LinesOf(text)) {
    const auto words = WordsOf(line);
    if (words.size() < 2) continue;
    if (words[0] == "MemTotal:") use.total_bytes = NumberOf(words[1]) << 10;
    if (words[0] == "MemAvailable:") use.available_bytes = NumberOf(words[1]) << 10;
  }
  return use;
}

NetworkUse ParseNetworkUse(std::string_view text) {
  // Behind "name:": eight columns of what was received, then of what was sent; bytes come first.
  constexpr size_t kReceived = 0;
  constexpr size_t kSent = 8;
  NetworkUse use;
  for (const std::string_view line : LinesOf(text)) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the two lines of headings
    const auto name = WordsOf(line.substr(0, colon));
    const auto columns = WordsOf(line.substr(colon + 1));
    if (name.empty() || name[0] == "lo" || columns.size() <= kSent) continue;
    use.rx_bytes += NumberOf(columns[kReceived]);
    use.tx_bytes += NumberOf(columns[kSent]);
  }
  return use;
}

CpuTimes ReadCpuTimes() {
  const long ticks = sysconf(_SC_CLK_TCK);
  return ParseCpuTimes(Proc("/proc/stat"), static_cast<uint64_t>(std::max(ticks, 1L)));
}

double BusyPercent(const CpuTimes& before, const CpuTimes& after) {
  // The kernel's idle time may step back by a tick.
  if (after.total_ms <= before.total_ms || after.busy_ms <= before.busy_ms) return 0;
  const double percent = 100.0 * static_cast<double>(after.busy_ms - before.busy_ms) /
                         static_cast<double>(after.total_ms - before.total_ms);
  return std::min(percent, 100.0);
}

MemoryUse ReadMemoryUse() { return ParseMemoryUse(Proc("/proc/meminfo")); }

DiskUse ReadDiskUse() {
  struct statvfs info;
  if (statvfs("/", &info) != 0) return {};
  return {.total_bytes = info.f_blocks * info.f_frsize,
          .used_bytes = (info.f_blocks - info.f_bfree) * info.f_frsize};
}

NetworkUse ReadNetworkUse() { return ParseNetworkUse(Proc("/proc/net/dev")); }

v1::Stats ReadStats() {
  v1::Stats stats;
  stats.set_uptime_ms(static_cast<uint64_t>(UptimeSeconds() * 1000));
  const CpuTimes cpu = ReadCpuTimes();
  stats.set_cpu_busy_ms(cpu.busy_ms);
  stats.set_cpu_total_ms(cpu.total_ms);
  stats.set_vcpus(cpu.vcpus);
  const MemoryUse memory = ReadMemoryUse();
  stats.set_memory_total_bytes(memory.total_bytes);
  stats.set_memory_available_bytes(memory.available_bytes);
  const DiskUse disk = ReadDiskUse();
  stats.set_disk_total_bytes(disk.total_bytes);
  stats.set_disk_used_bytes(disk.used_bytes);
  const NetworkUse network = ReadNetworkUse();
  stats.set_net_rx_bytes(network.rx_bytes);
  stats.set_net_tx_bytes(network.tx_bytes);
  stats.set_processes(static_cast<uint32_t>(AllPids().size()));
  stats.set_load_1m(std::strtod(Proc("/proc/loadavg").c_str(), nullptr));
  return stats;
}

}  // namespace ember::agent
