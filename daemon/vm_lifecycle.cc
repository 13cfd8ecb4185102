#include "daemon/vm_lifecycle.h"

#include <utility>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/guest_clock.h"
#include "daemon/host_decisions.h"
#include "daemon/image_defaults.h"
#include "daemon/volume_files.h"
#include "daemon/volumes.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kLaunchLimit = absl::Seconds(60);

}  // namespace

VmLifecycle::VmLifecycle(VmLedger& ledger, MachineSupervisor& supervisor, VmTable& vms,
                         EventFeed& feed, Waiters& waiters, Admission::Limit memory,
                         std::function<void()> removed)
    : ledger_(ledger),
      context_(ledger.context()),
      supervisor_(supervisor),
      vms_(vms),
      feed_(feed),
      waiters_(waiters),
      admission_(ledger, vms, memory),
      removed_(std::move(removed)) {}

void VmLifecycle::Start(Vm& vm, StartPlan plan, Done launched) {
  ledger_.disk_turns().Pass(
      vm, [this, plan = std::move(plan), launched = std::move(launched)](Vm* current) {
        if (current == nullptr) return launched(Aborted("the VM was deleted meanwhile"));
        StartNow(*current, plan, launched);
      });
}

void VmLifecycle::StartNow(Vm& vm, StartPlan plan, Done launched) {
  // A rename may have begun while it waited.
  if (vm.renaming()) return launched(BeingRenamed(vm));
  auto next = state::Next(vm.record.state, state::VmEvent::kStart, vm.record.name);
  if (!next.ok()) return launched(next.status());
  if (absl::Status fits = admission_.Check(vm); !fits.ok()) return launched(fits);
  auto intent = ledger_.NewIntent(vm);
  if (!intent.ok()) return launched(intent.status());
  auto record = context_.store.BeginStart(vm.record.id, *intent, {*next, "", "", {}}, plan.cause);
  if (!record.ok()) return launched(record.status());
  CrashPoint("start/intent-committed");
  ledger_.Changed(vm, *std::move(record));
  Launch(vm, plan.on_failure, std::move(plan.cancellation), std::move(launched));
}

// The row says starting and has the intent; now the machine.
void VmLifecycle::Launch(Vm& vm, OnFailure on_failure, Cancellation cancellation, Done launched) {
  vm.hurry = std::stop_source();
  auto settle = [this, on_failure, launched = std::move(launched)](
                    Vm& current, absl::StatusOr<std::shared_ptr<hypervisor::Machine>> machine) {
    OnLaunched(current, std::move(machine), on_failure, launched);
  };
  auto backend = ledger_.FindBackend(vm.record.config.backend);
  if (!backend.ok()) return settle(vm, backend.status());
  auto spec = SpecFor(vm, **backend, vm.record.machine->machine_id);
  if (!spec.ok()) return settle(vm, spec.status());
  vm.runner->Launch(**backend, *std::move(spec), cancellation.Within(kLaunchLimit),
                    ledger_.Back<std::shared_ptr<hypervisor::Machine>>(vm, std::move(settle)));
}

absl::StatusOr<hypervisor::MachineSpec> VmLifecycle::SpecFor(const Vm& vm,
                                                             const hypervisor::Backend& backend,
                                                             const std::string& machine_id) const {
  const state::VmConfig& config = vm.record.config;
  hypervisor::MachineSpec spec;
  spec.installation_id = context_.store.installation_id();
  spec.machine_id = machine_id;
  spec.vm_name = vm.record.name;
  spec.dir = vm.paths.dir;
  spec.guest_socket_prefix = vm.paths.vsock_socket;
  spec.vcpus = config.vcpus;
  spec.memory_mib = config.memory_mib;
  spec.guest_cid = vm.record.guest_cid;
  spec.kernel_args.push_back("ember.instance=" + vm.record.id);
  if (config.init == "agent") spec.kernel_args.push_back("ember.init=agent");
  if (backend.capabilities().needs_kernel) {
    ASSIGN_OR_RETURN(const images::KernelRecord kernel, context_.catalog.GetKernel(config.kernel));
    spec.kernel = kernel.vmlinux;
    spec.initramfs = kernel.initramfs;
    const bool raw = vm.record.disk.format != "qcow2";
    spec.disks.push_back(
        {vm.record.disk.path, raw ? hypervisor::DiskFormat::kRaw : hypervisor::DiskFormat::kQcow2});
    for (const state::VolumeAttachment& volume : config.volumes) {
      spec.disks.push_back({.path = VolumePath(context_.state_dir, volume.volume),
                            .read_only = volume.read_only,
                            .serial = volume.volume});
      const std::string mount = MountArgument(volume);
      if (!mount.empty()) spec.kernel_args.push_back(mount);
    }
  }
  // The user's come last: they may overrule ours.
  if (!config.boot_args.empty()) spec.kernel_args.push_back(config.boot_args);
  return spec;
}

void VmLifecycle::Relaunch(Vm& vm) {
  Launch(vm, OnFailure::kStayFailed, {}, [](const absl::Status&) {});
}

void VmLifecycle::OnLaunched(Vm& vm, absl::StatusOr<std::shared_ptr<hypervisor::Machine>> machine,
                             OnFailure on_failure, const Done& launched) {
  if (!machine.ok()) {
    const absl::Status why =
        Annotate(machine.status(), fmt::format("vm '{}' could not be started", vm.record.name));
    if (on_failure == OnFailure::kLeaveToCaller) return launched(why);
    ledger_.Settle("a failed launch", [this, id = vm.record.id, why] {
      Vm* current = vms_.FindById(id);
      return current == nullptr ? absl::OkStatus()
                                : ledger_.CommitMachineGone(*current, state::VmEvent::kLaunchFailed,
                                                            std::string(Message(why)));
    });
    return launched(why);
  }
  state::MachineRow row = *vm.record.machine;
  row.accelerator = (*machine)->handle().accelerator;
  row.process = (*machine)->handle().process;
  row.companions = (*machine)->handle().companions;
  ledger_.Settle(
      "a launch", [this, id = vm.record.id, row, machine = *std::move(machine), launched] {
        Vm* current = vms_.FindById(id);
        if (current == nullptr) return absl::OkStatus();
        ASSIGN_OR_RETURN(
            const state::VmState next,
            state::Next(current->record.state, state::VmEvent::kLaunched, current->record.name));
        // A restart, asked for or by policy, has come to its end; what else is to follow stays.
        const bool restarted = state::LeadsToStart(current->record.follow_up);
        const state::Change change{next, "", "",
                                   restarted ? state::FollowUp::kNone : current->record.follow_up};
        ASSIGN_OR_RETURN(state::VmRecord record, context_.store.RecordMachine(id, row, change));
        CrashPoint("start/recorded");
        supervisor_.Attach(*current, machine);
        ledger_.Changed(*current, std::move(record));
        launched(absl::OkStatus());
        return absl::OkStatus();
      });
}

void VmLifecycle::AwaitAgent(Vm& vm, absl::Duration agent_wait, Cancellation cancellation,
                             Done done) {
  const auto ready_or_over = [](const Vm& current) {
    if (current.agent == AgentState::kReady) return Verdict::kHolds;
    return state::MayHaveMachine(current.record.state) ? Verdict::kNotYet : Verdict::kNever;
  };
  waiters_.Add(
      vm, ready_or_over, agent_wait, cancellation,
      [name = vm.record.name, cancellation, done = std::move(done)](WaitEnd end, Vm* current) {
        if (end == WaitEnd::kHolds || end == WaitEnd::kTimedOut) return done(absl::OkStatus());
        if (end == WaitEnd::kCancelled)
          return done(cancellation.Check(fmt::format("vm '{}': the wait for its agent", name)));
        done(WithHint(FailedPrecondition("vm '{}' ended before its agent was ready{}{}", name,
                                         current == nullptr ? "" : ": ",
                                         current == nullptr ? "" : current->record.state_reason),
                      fmt::format("look at 'ember vm console {}'", name)));
      });
}

void VmLifecycle::Stop(Vm& vm, StopPlan plan, std::optional<state::FollowUp> follow_up,
                       Done stopped) {
  const bool under_way = vm.record.state == state::VmState::kStopping;
  plan.frozen = vm.record.state == state::VmState::kPaused;
  // A wish of an earlier stop that failed is over.
  if (!under_way) vm.hurry = std::stop_source();
  const state::VmEvent event = plan.force ? state::VmEvent::kForceStop : state::VmEvent::kStop;
  if (absl::Status begun = ledger_.Commit(vm, event, "", follow_up); !begun.ok())
    return stopped(begun);
  if (follow_up == state::FollowUp::kStart) CrashPoint("restart/intent-committed");
  CrashPoint("stop/intent-committed");
  if (plan.force) vm.hurry.request_stop();
  if (under_way) {
    // The runner is at it already; its outcome answers both.
    waiters_.Add(
        vm,
        [](const Vm& current) {
          return current.record.state == state::VmState::kStopping ? Verdict::kNotYet
                                                                   : Verdict::kHolds;
        },
        absl::InfiniteDuration(), {},
        [stopped](WaitEnd, Vm* current) {
          const bool runs = current != nullptr && current->record.state == state::VmState::kRunning;
          stopped(runs ? Internal("vm '{}' could not be stopped", current->record.name)
                       : absl::OkStatus());
        });
    return;
  }
  FinishStop(vm, plan, std::move(stopped));
}

void VmLifecycle::FinishStop(Vm& vm, StopPlan plan, Done stopped) {
  plan.hurry = vm.hurry.get_token();
  if (vm.record.image.has_value() && vm.record.image->run_entrypoint)
    plan.main_signal = StopSignal(vm.record);
  EndMachine(vm, plan, [this, stopped](Vm& current, absl::Status ended) {
    const std::string id = current.record.id;
    if (ended.ok()) {
      return ledger_.Settle("a stop", [this, id, stopped] {
        Vm* vm = vms_.FindById(id);
        if (vm != nullptr)
          RETURN_IF_ERROR(ledger_.CommitMachineGone(*vm, state::VmEvent::kStopped, ""));
        CrashPoint("stop/recorded");
        stopped(absl::OkStatus());
        return absl::OkStatus();
      });
    }
    const absl::Status why =
        Annotate(ended, fmt::format("vm '{}' could not be stopped", current.record.name));
    ledger_.Settle("a failed stop", [this, id, why] {
      Vm* vm = vms_.FindById(id);
      if (vm == nullptr) return absl::OkStatus();
      // It runs on, so there is nothing to start; an end of its life is tried again.
      const bool restart = vm->record.follow_up == state::FollowUp::kStart;
      RETURN_IF_ERROR(ledger_.Commit(*vm, state::VmEvent::kStopFailed, std::string(Message(why)),
                                     restart ? state::FollowUp::kNone : vm->record.follow_up));
      supervisor_.SettleEnd(*vm);
      return absl::OkStatus();
    });
    stopped(why);
  });
}

void VmLifecycle::Pause(Vm& vm, Done paused) {
  Move(vm, VmRunner::Motion::kPause, std::move(paused));
}

void VmLifecycle::Resume(Vm& vm, Done resumed) {
  Move(vm, VmRunner::Motion::kResume, std::move(resumed));
}

void VmLifecycle::Move(Vm& vm, VmRunner::Motion motion, Done moved) {
  const bool pause = motion == VmRunner::Motion::kPause;
  auto allowed = state::Next(
      vm.record.state, pause ? state::VmEvent::kPause : state::VmEvent::kResume, vm.record.name);
  if (!allowed.ok()) return moved(allowed.status());
  if (vm.machine == nullptr) {
    return moved(WithHint(
        Unavailable("vm '{}' is not taken over yet after a restart of emberhostd", vm.record.name),
        "try again in a moment"));
  }
  auto backend = ledger_.FindBackend(vm.record.config.backend);
  if (!backend.ok()) return moved(backend.status());
  if (!(*backend)->capabilities().pause) {
    return moved(FailedPrecondition("vm '{}': its backend '{}' can't pause machines",
                                    vm.record.name, vm.record.config.backend));
  }
  vm.runner->Move(vm.machine, motion,
                  ledger_.Back<ember::Done>(
                      vm, [this, motion, moved = std::move(moved)](Vm& current, auto done) {
                        if (!done.ok()) return moved(done.status());
                        Settle(current, motion, moved);
                      }));
}

void VmLifecycle::Settle(Vm& vm, VmRunner::Motion motion, const Done& moved) {
  const bool pause = motion == VmRunner::Motion::kPause;
  const absl::Status settled =
      ledger_.Commit(vm, pause ? state::VmEvent::kPause : state::VmEvent::kResume, "");
  const bool refused = absl::IsFailedPrecondition(settled);
  if (settled.ok() && vm.watch != nullptr) {
    pause ? vm.watch->Suspend() : vm.watch->Resume();
    if (!pause)
      SetGuestClock(context_.io, context_.log, {vm.record.id, vm.record.name, vm.machine});
  } else if (!settled.ok() && !refused && vm.machine != nullptr) {
    // The row could not be written: the machine goes back to what it says.
    vm.runner->Move(vm.machine, pause ? VmRunner::Motion::kResume : VmRunner::Motion::kPause,
                    ledger_.Back<ember::Done>(vm, [](Vm&, const auto&) {}));
  }
  moved(settled);
}

// Ends the machine that the VM holds, or else what its row knows of one; OK when there is none.
void VmLifecycle::EndMachine(Vm& vm, StopPlan plan, std::function<void(Vm&, absl::Status)> ended) {
  if (vm.machine != nullptr) {
    return vm.runner->Stop(
        vm.machine, plan,
        ledger_.Back<hypervisor::ExitReport>(
            vm, [ended](Vm& current, auto report) { ended(current, report.status()); }));
  }
  if (!vm.record.machine.has_value()) return ended(vm, absl::OkStatus());
  // A launch that was cut off, or a machine that could not be adopted.
  auto backend = ledger_.FindBackend(vm.record.machine->backend);
  if (!backend.ok()) return ended(vm, backend.status());
  vm.runner->Reap(**backend, ledger_.HandleOf(vm), Cancellation::After(kLaunchLimit),
                  ledger_.Back<ember::Done>(
                      vm, [ended](Vm& current, auto done) { ended(current, done.status()); }));
}

void VmLifecycle::Remove(Vm& vm, state::VmEvent event, std::string why, Done removed) {
  ledger_.disk_turns().Pass(
      vm, [this, event, why = std::move(why), removed = std::move(removed)](Vm* current) {
        if (current == nullptr) return removed(Aborted("the VM was deleted meanwhile"));
        if (current->renaming()) return removed(BeingRenamed(*current));
        RemoveNow(*current, event, why, removed);
      });
}

void VmLifecycle::RemoveNow(Vm& vm, state::VmEvent event, std::string why, Done removed) {
  if (absl::Status begun = ledger_.Commit(vm, event, why); !begun.ok()) return removed(begun);
  CrashPoint("delete/intent-committed");
  FinishRemoval(vm, std::move(why), std::move(removed));
}

// Those that its create has made, while that has not come to its end.
std::vector<std::string> VmLifecycle::UnfinishedVolumes(const Vm& vm) const {
  std::vector<std::string> names;
  for (const state::VolumeAttachment& attachment : vm.record.config.volumes) {
    const auto volume = context_.store.GetVolume(attachment.volume);
    const bool unfinished = volume.ok() && volume->state == state::VolumeState::kCreating;
    if (unfinished) names.push_back(attachment.volume);
  }
  return names;
}

void VmLifecycle::FinishRemoval(Vm& vm, std::string why, Done removed) {
  vm.hurry.request_stop();
  // In the runner's order: behind a stop under way, then the kill; the files go when nothing uses
  // them any more.
  EndMachine(
      vm, {.force = true}, [this, why = std::move(why), removed](Vm& current, absl::Status ended) {
        if (!ended.ok()) return OnRemoved(current, ended, why, removed);
        CrashPoint("delete/machine-ended");
        current.runner->Remove(
            UnfinishedVolumes(current),
            ledger_.Back<ember::Done>(
                current, [this, why, removed](Vm& emptied, absl::StatusOr<ember::Done> done) {
                  OnRemoved(emptied, done.status(), why, removed);
                }));
      });
}

void VmLifecycle::OnRemoved(Vm& vm, const absl::Status& outcome, const std::string& why,
                            const Done& removed) {
  const std::string id = vm.record.id;
  if (!outcome.ok()) {
    const absl::Status failure =
        Annotate(outcome, fmt::format("vm '{}' could not be deleted", vm.record.name));
    ledger_.Settle("a failed delete", [this, id, failure] {
      Vm* current = vms_.FindById(id);
      return current == nullptr
                 ? absl::OkStatus()
                 : ledger_.Commit(*current, state::VmEvent::kDeleteFailed,
                                  std::string(Message(failure)), state::FollowUp::kNone);
    });
    return removed(failure);
  }
  ledger_.Settle("a delete", [this, id, why, removed] {
    Vm* current = vms_.FindById(id);
    if (current == nullptr) return absl::OkStatus();
    RETURN_IF_ERROR(context_.store.DeleteVm(id, why));
    CrashPoint("delete/row-removed");
    current->LetGo();
    waiters_.Gone(id);
    vms_.Erase(id);
    feed_.Publish();
    removed_();
    removed(absl::OkStatus());
    return absl::OkStatus();
  });
}

}  // namespace ember::daemon
