#pragma once

#include <string>
#include <vector>

#include "ember/v1/care_service.pb.h"

// The numbers of guests as they are shown.
namespace ember::cli {

// Two answers of one guest, the later one and one from before: counters become rates.
struct StatsSample {
  v1::VmStats before;
  v1::VmStats now;
};

// Of the time that all vCPUs had between the two answers, how much was used: 0 to 100.
double CpuPercent(const StatsSample& sample);
// Bytes a second that the guest received and sent.
double ReceivedPerSecond(const StatsSample& sample);
double SentPerSecond(const StatsSample& sample);

// NAME CPU VCPUS MEMORY DISK RECEIVES SENDS PROCESSES LOAD UPTIME, one row each.
std::string StatsTableText(const std::vector<StatsSample>& samples);
std::string StatsJsonText(const std::vector<StatsSample>& samples);

}  // namespace ember::cli
