#include <algorithm>
#include <utility>

#include "guest-agent/guest_stats.h"
#include "guest-agent/json/operation.h"

namespace ember::agent {
namespace {

constexpr absl::Duration kSample = absl::Milliseconds(100);
constexpr uint64_t kMib = 1 << 20;
constexpr double kGib = 1 << 30;

// On the loop, with a timer: reading /proc takes no time, and there is always room for it.
class VmStatsOperation : public Operation {
 public:
  VmStatsOperation(EventLoop& loop, Answer answer)
      : loop_(loop), answer_(std::move(answer)), before_(ReadCpuTimes()) {
    timer_ = loop_.RunAfter(kSample, [this] { Finish(); });
  }
  ~VmStatsOperation() override { loop_.CancelTimer(timer_); }

 private:
  void Finish() {
    timer_ = 0;
    const MemoryUse memory = ReadMemoryUse();
    const NetworkUse network = ReadNetworkUse();
    const uint64_t used = memory.total_bytes - std::min(memory.available_bytes, memory.total_bytes);
    const Answer answer = std::move(answer_);  // the call may end us
    answer(TextOf({{"cpu_pct", BusyPercent(before_, ReadCpuTimes())},
                   {"memory_used_mb", used / kMib},
                   {"memory_total_mb", memory.total_bytes / kMib},
                   {"disk_used_gb", static_cast<double>(ReadDiskUse().used_bytes) / kGib},
                   {"net_rx_bytes", network.rx_bytes},
                   {"net_tx_bytes", network.tx_bytes}}));
  }

  EventLoop& loop_;
  Answer answer_;
  const CpuTimes before_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

std::unique_ptr<Operation> StartVmStats(const Context& context, const nlohmann::json&,
                                        Answer answer) {
  return std::make_unique<VmStatsOperation>(context.loop, std::move(answer));
}

}  // namespace ember::agent
