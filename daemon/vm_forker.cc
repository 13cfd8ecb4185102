#include "daemon/vm_forker.h"

#include <utility>

#include "base/fault_point.h"
#include "base/file.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/host_decisions.h"
#include "state/vm_name.h"

namespace ember::daemon {

std::string ForkVmSpec::Digest() const {
  // As of a create, with what no create has before it.
  std::string digest =
      fmt::format("fork {} {} {} {} {}\n", vcpus, memory_mib, disk_bytes, start, owner_uid);
  const auto add = [&digest](const std::string& text) {
    digest += fmt::format("{}:{}\n", text.size(), text);
  };
  for (const std::string* text : {&source, &name}) add(*text);
  for (const auto& [key, value] : labels) {
    add(key);
    add(value);
  }
  return digest;
}

// One fork under way; shared by its callbacks.
struct VmForker::Job {
  ForkVmSpec spec;
  std::string source_id;
  DiskForkPlan plan;
  DiskFork fork;
  state::VmRecord source_record;  // as the fork's commit left it
  DiskTurns::Turn turn;           // of the source, until the fork is recorded or given up
};

void VmForker::Fork(ForkVmSpec spec, Cancellation cancellation, Reply<ForkedVm> reply) {
  auto job = std::make_shared<Job>();
  job->spec = std::move(spec);
  Reply<VmView> answer([this, job, reply = std::move(reply)](absl::StatusOr<VmView> vm) mutable {
    if (!vm.ok()) return reply(vm.status());
    const bool full_copy = IsFullCopy(*vm);
    reply(ForkedVm{*std::move(vm), job->fork.frozen, full_copy});
  });
  const VmCreator::Promise promise{job->spec.request_id, job->spec.Digest(), job->spec.start,
                                   job->spec.agent_wait};
  // Its source may be gone by now, so this comes first.
  if (creator_.JoinRepeated(promise, cancellation, answer)) return;
  auto source = vms_.Find(job->spec.source);
  if (!source.ok()) return answer(source.status());
  auto waiting = std::make_shared<Reply<VmView>>(std::move(answer));
  ledger_.disk_turns().Take(
      **source, [this, job, cancellation, waiting](Vm* current, DiskTurns::Turn turn) {
        if (current == nullptr) {
          return (*waiting)(Aborted("vm '{}' was deleted meanwhile", job->spec.source));
        }
        job->turn = std::move(turn);
        Begin(*current, job, cancellation, std::move(*waiting));
      });
}

bool VmForker::IsFullCopy(const VmView& vm) {
  const VmLedger::Context& context = ledger_.context();
  const bool copied = context.volumes.kind() == storage::CloneKind::kCopy;
  if (!copied || vm.record.disk.format != "raw") return false;
  if (!std::exchange(warned_, true)) {
    context.log.Warn("forks are full copies: the file system can't clone files",
                     {{"path", context.state_dir.native()}});
  }
  return true;
}

void VmForker::Begin(Vm& source, JobPtr job, Cancellation cancellation, Reply<VmView> reply) {
  if (source.renaming()) return reply(BeingRenamed(source));
  auto plan = keeper_.PlanFor(source);
  if (!plan.ok()) return reply(plan.status());
  job->plan = *std::move(plan);
  job->source_id = source.record.id;
  VmCreator::Origin origin;
  // Each may be called again (commit_group.h), and the source goes only behind our turn.
  origin.row = [this, job]() -> absl::StatusOr<state::NewVm> {
    const Vm* current = vms_.FindById(job->source_id);
    if (current == nullptr) return Aborted("vm '{}' was deleted meanwhile", job->spec.source);
    return RowFor(job->spec, *current);
  };
  origin.make_disk = [this, job, cancellation](Vm& vm, auto made) {
    MakeDisk(job, vm, cancellation, std::move(made));
  };
  origin.record = [this, job](const std::string& vm_id, const state::DiskRow& disk,
                              const state::Change& change) {
    return Record(job, vm_id, disk, change);
  };
  origin.recorded = [this, job](const absl::Status& status) { OnRecorded(job, status); };
  const VmCreator::Promise promise{job->spec.request_id, job->spec.Digest(), job->spec.start,
                                   job->spec.agent_wait};
  creator_.CreateFrom(std::move(origin), promise, std::move(cancellation), std::move(reply));
}

absl::StatusOr<state::NewVm> VmForker::RowFor(const ForkVmSpec& spec, const Vm& source) const {
  RETURN_IF_ERROR(state::ValidateVmName(spec.name));
  RETURN_IF_ERROR(VmPaths::Of(ledger_.context().state_dir, spec.name).CheckLength());
  state::NewVm row;
  row.name = spec.name;
  row.config = source.record.config;
  row.config.autostart = false;
  row.config.remove_when_stopped = false;
  row.config.ttl.reset();
  row.config.volumes.clear();  // each is in one VM at a time
  if (spec.vcpus != 0) row.config.vcpus = spec.vcpus;
  if (spec.memory_mib != 0) row.config.memory_mib = spec.memory_mib;
  if (!spec.labels.empty()) row.config.labels = spec.labels;
  if (spec.disk_bytes != 0 && spec.disk_bytes < source.record.config.disk_bytes) {
    const std::string size = FormatSize(source.record.config.disk_bytes);
    return WithHint(InvalidArgument("vm '{}': a disk of {} is smaller than that of vm '{}', {}",
                                    spec.name, FormatSize(spec.disk_bytes), spec.source, size),
                    fmt::format("use --disk-size {} or more, or leave it out", size));
  }
  if (spec.disk_bytes % 512 != 0) {
    return InvalidArgument("vm '{}': a disk cannot have {} bytes: not a number of 512-byte sectors",
                           spec.name, spec.disk_bytes);
  }
  if (spec.disk_bytes != 0) row.config.disk_bytes = spec.disk_bytes;
  RETURN_IF_ERROR(CheckVmSize(spec.name, row.config.vcpus, row.config.memory_mib, limits_));
  RETURN_IF_ERROR(CheckLabels(spec.name, row.config.labels));
  row.request_id = spec.request_id;
  row.request_digest = spec.request_id.empty() ? "" : spec.Digest();
  row.owner_uid = spec.owner_uid;
  row.parent = state::VmParent{source.record.id, source.record.name};
  return row;
}

// On the source's runner: nothing starts, stops or removes the source meanwhile.
void VmForker::MakeDisk(const JobPtr& job, Vm& vm, Cancellation cancellation,
                        Reply<std::optional<state::DiskRow>> reply) {
  CrashPoint("fork/row-committed");
  Vm* source = vms_.FindById(job->source_id);
  if (source == nullptr) {
    return reply(Aborted("vm '{}' was deleted meanwhile", job->spec.source));
  }
  job->plan.clone = storage::CloneTarget{vm.paths.dir};
  job->plan.clone_bytes = vm.record.config.disk_bytes;
  auto made = std::make_shared<Reply<std::optional<state::DiskRow>>>(std::move(reply));
  const auto settle = [this, job, made](Vm&, absl::StatusOr<DiskFork> fork) {
    absl::Status outcome = fork.status();
    if (fork.ok()) {
      job->fork = *std::move(fork);
      outcome = job->fork.outcome;
    }
    if (outcome.ok()) return (*made)(job->fork.clone);
    OnRecorded(job, outcome);
    (*made)(outcome);
  };
  source->runner->Work<DiskFork>(
      [plan = job->plan, cancellation]() -> absl::StatusOr<DiskFork> {
        // A directory without a row is a leftover, and the row was committed before this call.
        RETURN_IF_ERROR(RemoveTree(plan.clone->dir));
        RETURN_IF_ERROR(FaultPoint("fork/make-directory"));
        RETURN_IF_ERROR(MakeDirectories(plan.clone->dir, 0700));
        if (plan.disk.path.empty()) return DiskFork{};
        return ForkDisk(plan, cancellation);
      },
      ledger_.Back<DiskFork>(vm, settle));
}

absl::StatusOr<state::VmRecord> VmForker::Record(const JobPtr& job, const std::string& vm_id,
                                                 const state::DiskRow& disk,
                                                 const state::Change& change) {
  ASSIGN_OR_RETURN(
      state::ForkRecords records,
      ledger_.context().store.RecordFork(vm_id, disk, change, job->source_id, job->fork.split));
  job->source_record = std::move(records.source);
  return std::move(records.vm);
}

// The end of what concerns the source, however it went.
void VmForker::OnRecorded(const JobPtr& job, const absl::Status& recorded) {
  DiskTurns::Turn turn = std::move(job->turn);
  job->turn = nullptr;
  if (!recorded.ok()) {
    return keeper_.Abandon(job->source_id, job->plan, job->fork, std::move(turn));
  }
  CrashPoint("fork/recorded");
  keeper_.OnForked(job->plan, job->fork, std::move(job->source_record));
}

}  // namespace ember::daemon
