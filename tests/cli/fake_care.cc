#include "tests/cli/fake_care.h"

#include <chrono>

namespace ember::testing {

grpc::Status FakeCare::GetVmStats(Context*, const v1::GetVmStatsRequest* request,
                                  v1::VmStats* stats) {
  if (request->vm() == "gone") {
    return {grpc::StatusCode::NOT_FOUND, "vm 'gone' not found"};
  }
  const uint64_t seconds = static_cast<uint64_t>(++asked);
  stats->set_vm(request->vm());
  stats->mutable_uptime()->set_seconds(static_cast<int64_t>(seconds));
  stats->set_vcpus(2);
  stats->set_cpu_busy_ms(1000 * seconds);
  stats->set_cpu_total_ms(2000 * seconds);
  stats->set_memory_total_bytes(uint64_t{512} << 20);
  stats->set_memory_available_bytes(uint64_t{384} << 20);
  stats->set_disk_total_bytes(uint64_t{8} << 30);
  stats->set_disk_used_bytes(uint64_t{1} << 30);
  stats->set_net_rx_bytes(2048 * seconds);
  stats->set_processes(12);
  return grpc::Status::OK;
}

grpc::Status FakeCare::WaitPort(Context* context, const v1::WaitPortRequest* request,
                                v1::WaitPortResponse*) {
  // A synchronous call is not told of its cancellation: that has to be looked for.
  constexpr auto kLook = std::chrono::milliseconds(10);
  ++waits;
  std::unique_lock lock(mutex_);
  while (!context->IsCancelled() && served_ != request->tcp_port()) changed_.wait_for(lock, kLook);
  --waits;
  return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
}

}  // namespace ember::testing
