#pragma once

#include <cstdint>
#include <string_view>

#include "ember/agent/v1/agent.pb.h"

// How busy the guest is, from /proc. A source that can't be read counts as 0.
namespace ember::agent {

// Of all vCPUs together, since boot. What is not busy was idle or waited for a disk.
struct CpuTimes {
  uint64_t busy_ms = 0;
  uint64_t total_ms = 0;
  uint32_t vcpus = 0;
};
CpuTimes ReadCpuTimes();

// How much of the time between two readings was busy, 0 to 100.
double BusyPercent(const CpuTimes& before, const CpuTimes& after);

struct MemoryUse {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
};
MemoryUse ReadMemoryUse();

// Of the file system at /.
struct DiskUse {
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
};
DiskUse ReadDiskUse();

// Of all interfaces but loopback, since boot.
struct NetworkUse {
  uint64_t rx_bytes = 0;
  uint64_t tx_bytes = 0;
};
NetworkUse ReadNetworkUse();

// All of it, as the framed protocol tells it.
v1::Stats ReadStats();

// The texts of /proc/stat (in ticks of `ticks_per_second`), /proc/meminfo and /proc/net/dev.
CpuTimes ParseCpuTimes(std::string_view text, uint64_t ticks_per_second);
MemoryUse ParseMemoryUse(std::string_view text);
NetworkUse ParseNetworkUse(std::string_view text);

}  // namespace ember::agent
