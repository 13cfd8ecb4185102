#include "daemon/vm_creator.h"

#include <algorithm>
#include <utility>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/vm_name.h"

namespace ember::daemon {
namespace {

constexpr uint32_t kDefaultVcpus = 1;
constexpr uint32_t kDefaultMemoryMib = 512;
constexpr uint32_t kMinMemoryMib = 64;
constexpr uint64_t kDefaultDiskBytes = 8 * kGiB;

}  // namespace

VmCreator::VmCreator(VmLedger& ledger, VmLifecycle& lifecycle, VmTable& vms, Waiters& waiters,
                     EventFeed& feed, Limits limits)
    : ledger_(ledger),
      lifecycle_(lifecycle),
      vms_(vms),
      waiters_(waiters),
      feed_(feed),
      limits_(std::move(limits)) {}

void VmCreator::Create(CreateVmSpec spec, const std::set<std::string>& images_going,
                       Cancellation cancellation, Reply<VmView> reply) {
  auto job = std::make_shared<Job>(
      Job{"", spec.start, spec.agent_wait, std::move(cancellation), std::move(reply)});
  if (!spec.request_id.empty()) {
    auto earlier = ledger_.context().store.FindByRequestId(spec.request_id);
    if (!earlier.ok()) return job->reply(earlier.status());
    if (earlier->has_value() && (*earlier)->request_digest == spec.Digest()) {
      if (Vm* vm = vms_.FindById((*earlier)->id); vm != nullptr) return JoinEarlier(*vm, job);
    }
  }
  Begin(spec, images_going, job);
}

void VmCreator::Begin(const CreateVmSpec& spec, const std::set<std::string>& images_going,
                      JobPtr job) {
  state::NewVm row;
  DiskPlan disk;
  auto config = ConfigFor(spec, images_going, disk);
  if (!config.ok()) return job->reply(config.status());
  row.name = spec.name;
  row.config = *std::move(config);
  row.request_id = spec.request_id;
  row.request_digest = spec.request_id.empty() ? "" : spec.Digest();
  row.owner_uid = spec.owner_uid;
  auto created = ledger_.context().store.CreateVm(row);
  if (!created.ok()) return job->reply(created.status());
  Vm& vm = ledger_.Track(std::move(created->vm));
  feed_.Publish();
  job->vm_id = vm.record.id;
  vm.runner->Prepare(
      std::move(disk), job->cancellation,
      ledger_.Back<std::optional<storage::Volume>>(
          vm, [this, job](Vm& current, auto volume) { OnDisk(current, std::move(volume), job); }));
}

absl::StatusOr<state::VmConfig> VmCreator::ConfigFor(const CreateVmSpec& spec,
                                                     const std::set<std::string>& images_going,
                                                     DiskPlan& disk) const {
  RETURN_IF_ERROR(state::ValidateVmName(spec.name));
  RETURN_IF_ERROR(VmPaths::Of(ledger_.context().state_dir, spec.name).CheckLength());
  state::VmConfig config;
  config.backend = spec.backend.empty() ? limits_.default_backend : spec.backend;
  config.vcpus = spec.vcpus == 0 ? kDefaultVcpus : spec.vcpus;
  config.memory_mib = spec.memory_mib == 0 ? kDefaultMemoryMib : spec.memory_mib;
  config.disk_bytes = spec.disk_bytes == 0 ? kDefaultDiskBytes : spec.disk_bytes;
  config.init = spec.init;
  config.labels = spec.labels;
  config.image = spec.image;
  RETURN_IF_ERROR(CheckSizes(spec, config));
  ASSIGN_OR_RETURN(const hypervisor::Backend* backend, ledger_.FindBackend(config.backend));
  if (!backend->capabilities().needs_kernel) return config;

  if (spec.image.empty()) return InvalidArgument("vm '{}': no image was given", spec.name);
  ASSIGN_OR_RETURN(const images::ImageRecord image, ledger_.context().catalog.GetImage(spec.image));
  if (images_going.contains(spec.image))
    return FailedPrecondition("image '{}' is being deleted", spec.image);
  ASSIGN_OR_RETURN(const images::KernelRecord kernel,
                   ledger_.context().catalog.GetKernel(spec.kernel));
  config.kernel = kernel.name;
  if (spec.disk_bytes != 0 && spec.disk_bytes < image.size_bytes) {
    return WithHint(
        InvalidArgument("vm '{}': a disk of {} is too small for image '{}' of {}", spec.name,
                        FormatSize(spec.disk_bytes), spec.image, FormatSize(image.size_bytes)),
        fmt::format("use --disk {}", FormatSize(image.size_bytes)));
  }
  config.disk_bytes = std::max(config.disk_bytes, image.size_bytes);
  disk = {image.rootfs, config.disk_bytes};
  return config;
}

absl::Status VmCreator::CheckSizes(const CreateVmSpec& spec, const state::VmConfig& config) const {
  if (config.vcpus > limits_.host_cpus) {
    return WithHint(InvalidArgument("vm '{}': {} vCPUs were asked for, this host has {}", spec.name,
                                    config.vcpus, limits_.host_cpus),
                    fmt::format("use --cpus {} or less", limits_.host_cpus));
  }
  if (config.memory_mib < kMinMemoryMib) {
    return WithHint(InvalidArgument("vm '{}': {} MiB of memory are too few to boot", spec.name,
                                    config.memory_mib),
                    fmt::format("use --memory {}M or more", kMinMemoryMib));
  }
  if (config.memory_mib >= limits_.host_memory_mib) {
    return WithHint(
        ResourceExhausted("vm '{}': {} MiB of memory were asked for, this host has {} MiB",
                          spec.name, config.memory_mib, limits_.host_memory_mib),
        "use a smaller --memory");
  }
  if (config.init != "auto" && config.init != "agent") {
    return InvalidArgument("vm '{}': init '{}' is neither 'auto' nor 'agent'", spec.name,
                           config.init);
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

void VmCreator::OnDisk(Vm& vm, absl::StatusOr<std::optional<storage::Volume>> volume, JobPtr job) {
  if (!volume.ok())
    return Undo(job, Annotate(volume.status(), fmt::format("vm '{}': its disk", vm.record.name)));
  if (job->cancellation.done())
    return Undo(job, job->cancellation.Check(fmt::format("vm '{}'", vm.record.name)));
  state::DiskRow disk;
  if (volume->has_value()) {
    disk.path = (*volume)->path.native();
    disk.format = (*volume)->format == storage::VolumeFormat::kRaw ? "raw" : "qcow2";
  }
  auto next = state::Next(vm.record.state, state::VmEvent::kCreateDone, vm.record.name);
  if (!next.ok()) return job->reply(next.status());
  auto record = ledger_.context().store.SetDisk(vm.record.id, disk, {*next, "", ""});
  if (!record.ok()) return Undo(job, record.status());
  vm.record = *std::move(record);
  feed_.Publish();
  // Those who joined this create hear of it when it has begun its start: else they would.
  if (job->start) return StartFirst(vm, job);
  waiters_.Notify(vm);
  Succeed(job);
}

void VmCreator::StartFirst(Vm& vm, JobPtr job) {
  lifecycle_.Start(vm, VmLifecycle::OnFailure::kLeaveToCaller, job->cancellation,
                   [this, job](absl::Status launched) {
                     if (!launched.ok()) return Undo(job, launched);
                     Vm* current = vms_.FindById(job->vm_id);
                     if (current == nullptr)
                       return job->reply(Aborted("the VM was deleted while it started"));
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
  const Vm* vm = vms_.FindById(job->vm_id);
  if (vm == nullptr) return job->reply(Aborted("the VM was deleted meanwhile"));
  job->reply(ledger_.ViewOf(*vm));
}

}  // namespace ember::daemon
