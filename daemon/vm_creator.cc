#include "daemon/vm_creator.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/volume_files.h"
#include "daemon/volumes.h"
#include "state/vm_name.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kLongestTtl = absl::Hours(24 * 3650);

// Takes a volume that was made from an image as the row of a disk.
Reply<std::optional<storage::Volume>> DiskRowReply(Reply<std::optional<state::DiskRow>> reply) {
  return Reply<std::optional<storage::Volume>>(
      [reply = std::move(reply)](absl::StatusOr<std::optional<storage::Volume>> volume) mutable {
        if (!volume.ok()) return reply(volume.status());
        if (!volume->has_value()) return reply(std::nullopt);
        reply(state::DiskRow{(*volume)->path.native(),
                             std::string(storage::VolumeFormatName((*volume)->format))});
      });
}

absl::Status CheckRunnable(const CreateVmSpec& spec, const images::ImageConfig& config) {
  if (!config.entrypoint.empty() || !config.cmd.empty()) return absl::OkStatus();
  return WithHint(
      FailedPrecondition("vm '{}': image '{}' has neither an entrypoint nor a command to run",
                         spec.name, spec.image),
      "leave out --run, and start programs with 'ember exec'");
}

}  // namespace

VmCreator::VmCreator(VmLedger& ledger, VmLifecycle& lifecycle, Autopilot& autopilot, VmTable& vms,
                     Waiters& waiters, EventFeed& feed, VmLimits limits, Defaults defaults)
    : ledger_(ledger),
      lifecycle_(lifecycle),
      autopilot_(autopilot),
      vms_(vms),
      waiters_(waiters),
      feed_(feed),
      commits_(ledger.context().host, ledger.context().store),
      limits_(limits),
      defaults_(std::move(defaults)) {}

void VmCreator::Create(CreateVmSpec spec, const std::set<std::string>& images_going,
                       Cancellation cancellation, Reply<VmView> reply) {
  const Promise promise{spec.request_id, spec.Digest(), spec.start, spec.agent_wait};
  if (JoinRepeated(promise, cancellation, reply)) return;
  auto disk = std::make_shared<DiskPlan>();
  Origin origin;
  origin.row = [this, spec = std::move(spec), &images_going, disk] {
    return RowFor(spec, images_going, *disk);
  };
  origin.make_disk = [disk, cancellation](Vm& vm, auto made) {
    vm.runner->Prepare(*disk, cancellation, DiskRowReply(std::move(made)));
  };
  origin.record = [this](const std::string& vm_id, const state::DiskRow& row,
                         const state::Change& change) {
    return ledger_.context().store.SetDisk(vm_id, row, change);
  };
  CreateFrom(std::move(origin), promise, std::move(cancellation), std::move(reply));
}

bool VmCreator::JoinRepeated(const Promise& promise, const Cancellation& cancellation,
                             Reply<VmView>& reply) {
  if (promise.request_id.empty()) return false;
  const auto earlier = ledger_.context().store.FindByRequestId(promise.request_id);
  if (!earlier.ok()) {
    reply(earlier.status());
    return true;
  }
  if (!earlier->has_value() || (*earlier)->request_digest != promise.digest) return false;
  Vm* vm = vms_.FindById((*earlier)->id);
  if (vm == nullptr) return false;
  JoinEarlier(*vm, std::make_shared<Job>(Job{
                       "", promise.start, promise.agent_wait, cancellation, std::move(reply), {}}));
  return true;
}

void VmCreator::CreateFrom(Origin origin, const Promise& promise, Cancellation cancellation,
                           Reply<VmView> reply) {
  auto job =
      std::make_shared<Job>(Job{"", promise.start, promise.agent_wait, std::move(cancellation),
                                std::move(reply), std::move(origin)});
  auto made = std::make_shared<absl::StatusOr<state::CreateResult>>();
  commits_.Add(
      [this, job, made] {
        const auto row = job->origin.row();
        *made = row.ok() ? ledger_.context().store.CreateVm(*row) : row.status();
        return made->status();
      },
      [this, made, job](const absl::Status& committed) {
        if (!committed.ok()) {
          job->origin = {};
          return job->reply(committed);
        }
        OnRow(std::move(**made), job);
      });
}

absl::StatusOr<state::NewVm> VmCreator::RowFor(const CreateVmSpec& spec,
                                               const std::set<std::string>& images_going,
                                               DiskPlan& disk) const {
  state::NewVm row;
  RETURN_IF_ERROR(Plan(spec, images_going, row, disk));
  ASSIGN_OR_RETURN(row.new_volumes, NewVolumesOf(row.config));
  disk.volumes = row.new_volumes;
  row.name = spec.name;
  row.request_id = spec.request_id;
  row.request_digest = spec.request_id.empty() ? "" : spec.Digest();
  row.owner_uid = spec.owner_uid;
  if (spec.ttl.has_value()) row.expiry = autopilot_.ExpiryOf(*spec.ttl);
  return row;
}

void VmCreator::OnRow(state::CreateResult made, JobPtr job) {
  if (made.kind == state::CreateResult::Kind::kFound) {
    // The same request, sent twice at the same moment: the first one is a step ahead.
    job->origin = {};
    Vm* earlier = vms_.FindById(made.vm.id);
    return earlier != nullptr ? JoinEarlier(*earlier, job)
                              : job->reply(Aborted("the VM was deleted meanwhile"));
  }
  Vm& vm = ledger_.Track(std::move(made.vm));
  CrashPoint("create/row-committed");
  feed_.Publish();
  autopilot_.Watch(vm);
  job->vm_id = vm.record.id;
  job->origin.make_disk(
      vm, ledger_.Back<std::optional<state::DiskRow>>(
              vm, [this, job](Vm& current, auto disk) { OnDisk(current, std::move(disk), job); }));
}

absl::StatusOr<state::VmConfig> VmCreator::ConfigFor(const CreateVmSpec& spec) const {
  RETURN_IF_ERROR(state::ValidateVmName(spec.name));
  RETURN_IF_ERROR(VmPaths::Of(ledger_.context().state_dir, spec.name).CheckLength());
  state::VmConfig config;
  config.backend = spec.backend.empty() ? defaults_.backend : spec.backend;
  config.vcpus = spec.vcpus == 0 ? defaults_.vcpus : spec.vcpus;
  config.memory_mib = spec.memory_mib == 0 ? defaults_.memory_mib : spec.memory_mib;
  config.disk_bytes = spec.disk_bytes == 0 ? defaults_.disk_bytes : spec.disk_bytes;
  config.init = spec.init;
  config.labels = spec.labels;
  config.boot_args = spec.boot_args;
  config.restart_policy = spec.restart_policy;
  config.autostart = spec.autostart;
  config.remove_when_stopped = spec.remove_when_stopped;
  config.ttl = spec.ttl;
  config.image = spec.image;
  config.volumes = spec.volumes;
  RETURN_IF_ERROR(CheckConfig(spec, config));
  return config;
}

absl::Status VmCreator::Plan(const CreateVmSpec& spec, const std::set<std::string>& images_going,
                             state::NewVm& row, DiskPlan& disk) const {
  ASSIGN_OR_RETURN(row.config, ConfigFor(spec));
  state::VmConfig& config = row.config;
  ASSIGN_OR_RETURN(const hypervisor::Backend* backend, ledger_.FindBackend(config.backend));
  const bool needs_image = backend->capabilities().needs_kernel;
  if (!needs_image && !config.volumes.empty()) {
    return InvalidArgument("vm '{}': backend '{}' has no disks, so it takes no volumes", spec.name,
                           config.backend);
  }
  if (spec.image.empty() && needs_image)
    return InvalidArgument("vm '{}': no image was given", spec.name);
  const auto image = ledger_.context().catalog.GetImage(spec.image);
  // A machine without a disk takes of its image only how processes want to run.
  if (!image.ok()) return needs_image || spec.run_entrypoint ? image.status() : absl::OkStatus();
  if (images_going.contains(image->id))
    return FailedPrecondition("image '{}' is being deleted", spec.image);
  row.image =
      state::VmImageRow{image->id, images::ImageConfigToJson(image->config), spec.run_entrypoint};
  if (spec.run_entrypoint) RETURN_IF_ERROR(CheckRunnable(spec, image->config));
  if (!needs_image) return absl::OkStatus();

  ASSIGN_OR_RETURN(const images::KernelRecord kernel,
                   ledger_.context().catalog.GetKernel(spec.kernel));
  config.kernel = kernel.name;
  if (spec.disk_bytes != 0 && spec.disk_bytes < image->size_bytes) {
    return WithHint(
        InvalidArgument("vm '{}': a disk of {} is too small for image '{}' of {}", spec.name,
                        FormatSize(spec.disk_bytes), spec.image, FormatSize(image->size_bytes)),
        fmt::format("use --disk-size {}", FormatSize(image->size_bytes)));
  }
  config.disk_bytes = std::max(config.disk_bytes, image->size_bytes);
  disk = {image->rootfs, config.disk_bytes};
  return absl::OkStatus();
}

absl::StatusOr<std::vector<state::NewVolume>> VmCreator::NewVolumesOf(
    const state::VmConfig& config) const {
  std::vector<state::NewVolume> made;
  for (const state::VolumeAttachment& attachment : config.volumes) {
    if (attachment.size_bytes == 0) continue;
    const auto there = ledger_.context().store.GetVolume(attachment.volume);
    if (there.ok()) continue;
    if (!absl::IsNotFound(there.status())) return there.status();
    made.push_back(
        {attachment.volume, attachment.size_bytes, attachment.mount_path.empty() ? "" : "ext4"});
    RETURN_IF_ERROR(CheckVolume(made.back()));
  }
  return made;
}

absl::Status VmCreator::CheckConfig(const CreateVmSpec& spec, const state::VmConfig& config) const {
  RETURN_IF_ERROR(CheckVmSize(spec.name, config.vcpus, config.memory_mib, limits_));
  RETURN_IF_ERROR(CheckBootArgs(spec.name, config.boot_args));
  RETURN_IF_ERROR(CheckLabels(spec.name, config.labels));
  RETURN_IF_ERROR(CheckAttachments(spec.name, config.volumes));
  if (config.init != "auto" && config.init != "agent") {
    return InvalidArgument("vm '{}': init '{}' is neither 'auto' nor 'agent'", spec.name,
                           config.init);
  }
  if (config.remove_when_stopped && config.restart_policy != state::RestartPolicy::kNo) {
    return WithHint(
        InvalidArgument("vm '{}' is to be removed when it stops and to be restarted", spec.name),
        "leave out --rm or --restart");
  }
  if (config.ttl.has_value() && (*config.ttl < absl::Seconds(1) || *config.ttl > kLongestTtl)) {
    return WithHint(InvalidArgument("vm '{}': a time to live of {} is not possible", spec.name,
                                    absl::FormatDuration(*config.ttl)),
                    "at least a second, at most ten years: --ttl 2h");
  }
  return absl::OkStatus();
}

void VmCreator::JoinEarlier(Vm& vm, JobPtr job) {
  job->vm_id = vm.record.id;
  const auto settled = [](const Vm& current) {
    const state::VmState state = current.record.state;
    return state == state::VmState::kCreating || state == state::VmState::kStarting
               ? Verdict::kNotYet
               : Verdict::kHolds;
  };
  waiters_.Add(
      vm, settled, absl::InfiniteDuration(), job->cancellation,
      [this, job](WaitEnd end, Vm* current) {
        if (end == WaitEnd::kCancelled) return job->reply(job->cancellation.Check("the create"));
        if (current == nullptr || current->record.state == state::VmState::kDeleting) {
          return job->reply(Aborted("the create with this request id was undone; send it again"));
        }
        // A first start that a crash of the daemon undid is made up for.
        const bool never_ran =
            !current->record.started_at.has_value() && current->machine == nullptr;
        if (job->start && never_ran) return StartFirst(*current, job);
        if (!job->start || current->record.state != state::VmState::kRunning) return Succeed(job);
        lifecycle_.AwaitAgent(*current, job->agent_wait, job->cancellation,
                              [this, job](absl::Status ready) {
                                if (!ready.ok()) return job->reply(ready);
                                Succeed(job);
                              });
      });
}

void VmCreator::OnDisk(Vm& vm, absl::StatusOr<std::optional<state::DiskRow>> disk, JobPtr job) {
  if (!disk.ok())
    return Undo(job, Annotate(disk.status(), fmt::format("vm '{}': its disk", vm.record.name)));
  const auto recorded = [job](const absl::Status& status) {
    if (job->origin.recorded != nullptr) job->origin.recorded(status);
    job->origin = {};
  };
  if (job->cancellation.done()) {
    const absl::Status why = job->cancellation.Check(fmt::format("vm '{}'", vm.record.name));
    recorded(why);
    return Undo(job, why);
  }
  auto record = std::make_shared<absl::StatusOr<state::VmRecord>>();
  commits_.Add(
      [this, row = disk->value_or(state::DiskRow()), job, record] {
        *record = RecordDisk(*job, row);
        return record->status();
      },
      [this, record, job, recorded](const absl::Status& committed) {
        recorded(committed);
        if (!committed.ok()) return Undo(job, committed);
        OnDiskRecorded(std::move(**record), job);
      });
}

absl::StatusOr<state::VmRecord> VmCreator::RecordDisk(const Job& job, const state::DiskRow& disk) {
  const Vm* vm = vms_.FindById(job.vm_id);
  if (vm == nullptr) return Aborted("the VM was deleted meanwhile");
  state::Change change;
  ASSIGN_OR_RETURN(change.state,
                   state::Next(vm->record.state, state::VmEvent::kCreateDone, vm->record.name));
  // The first start is on record with it: a crash before its own intent does not forget it.
  if (job.start) change.follow_up = state::FollowUp::kStart;
  return job.origin.record(job.vm_id, disk, change);
}

void VmCreator::OnDiskRecorded(state::VmRecord record, JobPtr job) {
  Vm& vm = *vms_.FindById(record.id);
  vm.record = std::move(record);
  CrashPoint("create/disk-recorded");
  feed_.Publish();
  // Those who joined this create hear of it when it has begun its start: else they would.
  if (job->start) return StartFirst(vm, job);
  waiters_.Notify(vm);
  Succeed(job);
}

void VmCreator::StartFirst(Vm& vm, JobPtr job) {
  VmLifecycle::StartPlan plan;
  plan.on_failure = VmLifecycle::OnFailure::kLeaveToCaller;
  plan.cancellation = job->cancellation;
  lifecycle_.Start(vm, std::move(plan), [this, job](absl::Status launched) {
    if (!launched.ok()) return Undo(job, launched);
    Vm* current = vms_.FindById(job->vm_id);
    if (current == nullptr) return job->reply(Aborted("the VM was deleted while it started"));
    lifecycle_.AwaitAgent(*current, job->agent_wait, job->cancellation,
                          [this, job](absl::Status ready) {
                            if (!ready.ok()) return Undo(job, ready);
                            Succeed(job);
                          });
  });
}

void VmCreator::Undo(JobPtr job, absl::Status why) {
  ledger_.Settle("an undone create", [this, job, why] { return TryUndo(job, why); });
}

absl::Status VmCreator::TryUndo(JobPtr job, absl::Status why) {
  const auto answer = [job, why](const absl::Status& removed) {
    if (!job->reply.pending()) return;
    if (removed.ok()) return job->reply(why);
    job->reply(Annotate(why, fmt::format("(the VM could not be removed: {})", Message(removed))));
  };
  Vm* vm = vms_.FindById(job->vm_id);
  if (vm == nullptr) {
    answer(absl::OkStatus());
    return absl::OkStatus();
  }
  const state::VmState state = vm->record.state;
  if (state == state::VmState::kDeleting) {
    // Somebody else deletes it: that is as good.
    const auto while_deleting = [](const Vm& current) {
      return current.record.state == state::VmState::kDeleting ? Verdict::kNotYet : Verdict::kHolds;
    };
    waiters_.Add(*vm, while_deleting, absl::InfiniteDuration(), {},
                 [answer](WaitEnd, Vm*) { answer(absl::OkStatus()); });
    return absl::OkStatus();
  }
  const bool first_steps = state == state::VmState::kCreating ||
                           state == state::VmState::kCreated || state == state::VmState::kStarting;
  const state::VmEvent event =
      first_steps ? state::VmEvent::kCreateFailed : state::VmEvent::kForceDelete;
  const std::string message(Message(why));
  if (absl::Status begun = ledger_.Commit(*vm, event, message); !begun.ok()) {
    // The caller is told now; the VM goes once the store can be written again.
    answer(begun);
    return begun;
  }
  lifecycle_.FinishRemoval(*vm, message, answer);
  return absl::OkStatus();
}

void VmCreator::Succeed(const JobPtr& job) {
  ledger_.Settle("a create", [this, job] {
    Vm* vm = vms_.FindById(job->vm_id);
    if (vm == nullptr) {
      job->reply(Aborted("the VM was deleted meanwhile"));
      return absl::OkStatus();
    }
    // From now on they outlive the VM.
    if (!vm->record.config.volumes.empty()) {
      ASSIGN_OR_RETURN(vm->record, ledger_.context().store.FinishVolumesOf(job->vm_id));
      CrashPoint("create/volumes-recorded");
    }
    job->reply(ledger_.ViewOf(*vm));
    return absl::OkStatus();
  });
}

}  // namespace ember::daemon
