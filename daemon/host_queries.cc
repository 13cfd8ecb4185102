#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "daemon/host.h"

// What Host tells without changing anything.
namespace ember::daemon {

void Host::GetVm(std::string name, Reply<VmView> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    reply(ledger_.ViewOf(**vm));
  });
}

void Host::ListVms(VmFilter filter, Reply<std::vector<VmView>> reply) {
  sequence_.Post([this, filter = std::move(filter), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    std::vector<VmView> views;
    vms_.ForEach([&](Vm& vm) {
      sequence_.AssertCurrent();
      if (filter.Matches(vm.record)) views.push_back(ledger_.ViewOf(vm));
    });
    reply(std::move(views));
  });
}

void Host::ListForwards(std::string vm_name, Reply<std::vector<ForwardView>> reply) {
  sequence_.Post([this, vm_name = std::move(vm_name), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    if (vm_name.empty()) return reply(forwards_.List(""));
    const auto vm = vms_.Find(vm_name);
    if (!vm.ok()) return reply(vm.status());
    reply(forwards_.List((*vm)->record.id));
  });
}

void Host::NextEvents(uint64_t after, size_t limit, Cancellation cancellation,
                      Reply<std::vector<state::Event>> reply) {
  sequence_.Post([this, after, limit, cancellation, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    feed_.Next(after, limit, cancellation, std::move(reply));
  });
}

void Host::Summarize(Reply<Summary> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    Summary summary;
    summary.installation_id = store_->installation_id();
    summary.vms = static_cast<uint32_t>(vms_.size());
    vms_.ForEach([&](Vm& vm) {
      summary.running_vms += vm.record.state == state::VmState::kRunning ? 1 : 0;
    });
    summary.oldest_event = store_->OldestSequence();
    summary.last_event = store_->LastSequence();
    summary.memory_limit_mib = lifecycle_.admission().limit().mib();
    summary.memory_used_mib = lifecycle_.admission().UsedMib();
    summary.subnet = store_->subnet().ToString();
    reply(std::move(summary));
  });
}

Host::Uses Host::CollectUses() {
  sequence_.AssertCurrent();
  Uses uses;
  vms_.ForEach([&](Vm& vm) {
    if (vm.record.image.has_value()) uses.of_image[vm.record.image->id].push_back(vm.record.name);
    uses.of_kernel[vm.record.config.kernel].push_back(vm.record.name);
  });
  return uses;
}

void Host::ListUses(Reply<Uses> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable { reply(CollectUses()); });
}

void Host::Check(HostCheck::Depth depth, Reply<std::vector<Anomaly>> reply) {
  sequence_.Post([this, depth, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    check_.Run(depth, std::move(reply));
  });
}

// What recovery could not put right is told at once, not when somebody asks.
void Host::LogAnomalies() {
  sequence_.AssertCurrent();
  const Log& log = ledger_.context().log;
  check_.Run(HostCheck::Depth::kAll, Reply<std::vector<Anomaly>>([log](auto anomalies) {
               if (absl::IsCancelled(anomalies.status())) return;  // the daemon ends already
               if (!anomalies.ok()) {
                 return log.Error("the check of the host could not run",
                                  {{"cause", std::string(Message(anomalies.status()))}});
               }
               for (const Anomaly& anomaly : *anomalies) {
                 log.Error("anomaly", {{"kind", anomaly.kind},
                                       {"message", anomaly.message},
                                       {"remedy", anomaly.remedy}});
               }
             }));
}

}  // namespace ember::daemon
