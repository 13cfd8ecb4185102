#include "daemon/host_repair.h"

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/leftovers.h"

namespace ember::daemon {
namespace {

bool IsApart(const Anomaly& anomaly) {
  return anomaly.kind == kProcessUnknown || anomaly.kind == kDirectoryUnknown;
}

// What a repair of this kind does; empty where there is none.
std::string ActionFor(const Anomaly& anomaly) {
  if (!anomaly.repairable) return "";
  if (anomaly.kind == kProcessUnknown) return "end the process";
  if (anomaly.kind == kDirectoryUnknown) return "remove the directory";
  if (anomaly.kind == kProcessGone) return "settle that the VM has ended";
  if (anomaly.kind == kSocketMissing) return "open its socket again";
  return "lease a number again";
}

absl::Status ChangedMeanwhile(const Vm& vm) {
  return WithHint(Aborted("vm '{}' has changed since it was checked", vm.record.name),
                  "check again: ember host check");
}

}  // namespace

struct HostRepair::Job {
  std::string installation_id;
  std::filesystem::path vms_dir;
  std::vector<Repair> repairs;
  Reply<std::vector<Repair>> reply;
};

void HostRepair::Run(Mode mode, Reply<std::vector<Repair>> reply) {
  auto job = std::make_shared<Job>();
  job->installation_id = ledger_.context().store.installation_id();
  job->vms_dir = ledger_.context().state_dir / "vms";
  job->reply = std::move(reply);
  check_.Run(HostCheck::Depth::kAll, Reply<std::vector<Anomaly>>([this, mode, job](auto anomalies) {
               if (!anomalies.ok()) return job->reply(anomalies.status());
               for (Anomaly& anomaly : *anomalies) {
                 std::string action = ActionFor(anomaly);
                 job->repairs.push_back({std::move(anomaly), std::move(action), ""});
               }
               if (mode == Mode::kDryRun) return job->reply(std::move(job->repairs));
               RepairApart(job);
             }));
}

// What blocks runs on a worker; what changes a VM follows on `host`.
void HostRepair::RepairApart(JobPtr job) {
  ledger_.context().catalog.RunApart("host-repair", [this, job] {
    for (Repair& repair : job->repairs) {
      if (repair.action.empty() || !IsApart(repair.anomaly)) continue;
      const absl::Status done = repair.anomaly.kind == kProcessUnknown
                                    ? EndLeftProcesses(job->installation_id, repair.anomaly.subject)
                                    : RemoveLeftDirectory(job->vms_dir, repair.anomaly.subject);
      repair.error = std::string(Message(done));
    }
    ledger_.context().host.Post([this, job] { RepairOnHost(job); });
  });
}

void HostRepair::RepairOnHost(const JobPtr& job) {
  for (Repair& repair : job->repairs) {
    if (repair.action.empty() || IsApart(repair.anomaly)) continue;
    Vm* vm = vms_.FindById(repair.anomaly.subject);
    const absl::Status done =
        vm == nullptr ? Aborted("the VM is gone") : RepairVm(*vm, repair.anomaly);
    repair.error = std::string(Message(done));
  }
  job->reply(std::move(job->repairs));
}

// The VM may have changed since the check: another machine may run, or the end of this one be
// settled.
absl::Status HostRepair::RepairVm(Vm& vm, const Anomaly& anomaly) {
  if (anomaly.kind == kProcessGone) {
    if (!HostCheck::ProcessIsGone(vm.record)) return ChangedMeanwhile(vm);
    recovery_.SettleLost(vm);
    return absl::OkStatus();
  }
  if (anomaly.kind == kSocketMissing) {
    return HostCheck::SocketIsMissing(vm) ? supervisor_.OpenBridge(vm) : ChangedMeanwhile(vm);
  }
  if (vm.record.machine.has_value()) {
    return WithHint(FailedPrecondition("vm '{}' runs without it", vm.record.name),
                    fmt::format("stop it first: ember vm stop {}", vm.record.name));
  }
  ASSIGN_OR_RETURN(state::VmRecord record, ledger_.context().store.RepairLease(vm.record.id));
  ledger_.Changed(vm, std::move(record));
  return absl::OkStatus();
}

}  // namespace ember::daemon
