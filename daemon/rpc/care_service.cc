#include "daemon/rpc/care_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

using agent::v1::AgentFrame;
using agent::v1::ClientFrame;

// For an answer that takes the guest no time.
constexpr absl::Duration kAnswerLimit = absl::Seconds(10);

void Fill(const std::string& vm, const agent::v1::Stats& stats, v1::VmStats& response) {
  response.set_vm(vm);
  response.mutable_uptime()->set_seconds(static_cast<int64_t>(stats.uptime_ms() / 1000));
  response.mutable_uptime()->set_nanos(static_cast<int32_t>(stats.uptime_ms() % 1000 * 1'000'000));
  response.set_cpu_busy_ms(stats.cpu_busy_ms());
  response.set_cpu_total_ms(stats.cpu_total_ms());
  response.set_vcpus(stats.vcpus());
  response.set_memory_total_bytes(stats.memory_total_bytes());
  response.set_memory_available_bytes(stats.memory_available_bytes());
  response.set_disk_total_bytes(stats.disk_total_bytes());
  response.set_disk_used_bytes(stats.disk_used_bytes());
  response.set_net_rx_bytes(stats.net_rx_bytes());
  response.set_net_tx_bytes(stats.net_tx_bytes());
  response.set_processes(stats.processes());
  response.set_load_1m(stats.load_1m());
}

}  // namespace

CareService::Unary* CareService::GetVmStats(Context* context, const v1::GetVmStatsRequest* request,
                                            v1::VmStats* response) {
  auto* call = new UnaryCall(*context);
  auto answer = call->Answer<AgentFrame>([vm = request->vm(), response](const AgentFrame& frame) {
    Fill(vm, frame.stats(), *response);
  });
  const Cancellation cancellation = call->cancellation();
  host_.Reach(request->vm(),
              Reply<ReachedVm>([this, cancellation, answer = std::move(answer)](auto vm) mutable {
                if (!vm.ok()) return answer(vm.status());
                ClientFrame question;
                question.mutable_get_stats();
                AskVm(io_, *std::move(vm), std::move(question), "care",
                      std::min(kAnswerLimit, cancellation.deadline.Remaining()), std::move(answer),
                      cancellation.token);
              }));
  return call;
}

// A guest that still boots has its agent awaited first: whoever waits for a port means that too.
CareService::Unary* CareService::WaitPort(Context* context, const v1::WaitPortRequest* request,
                                          v1::WaitPortResponse*) {
  auto* call = new UnaryCall(*context);
  auto answer = call->Answer<AgentFrame>([](const AgentFrame&) {});
  const Cancellation cancellation = call->cancellation();
  if (request->tcp_port() < 1 || request->tcp_port() > UINT16_MAX) {
    answer(WithHint(InvalidArgument("{} is no port", request->tcp_port()),
                    "give a port from 1 to 65535"));
    return call;
  }
  ClientFrame question;
  question.mutable_wait_port()->set_tcp_port(request->tcp_port());
  auto ask = [this, cancellation, question = std::move(question),
              answer = std::move(answer)](absl::StatusOr<ReachedVm> vm) mutable {
    if (!vm.ok()) return answer(vm.status());
    AskVm(io_, *std::move(vm), std::move(question), "care", cancellation.deadline.Remaining(),
          std::move(answer), cancellation.token);
  };
  host_.WaitVm(request->vm(), WaitCondition::kAgentReady, cancellation,
               Reply<VmView>([this, vm = request->vm(), ask = std::move(ask)](auto ready) mutable {
                 if (!ready.ok()) return ask(ready.status());
                 host_.Reach(vm, Reply<ReachedVm>(std::move(ask)));
               }));
  return call;
}

}  // namespace ember::daemon::rpc
