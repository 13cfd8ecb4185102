#include "daemon/host.h"

#include <utility>

#include "base/status.h"
#include "daemon/host_decisions.h"

namespace ember::daemon {
namespace {

bool IsBusy(const Vm& vm) {
  if (vm.renaming() || vm.disk_taken) return true;
  switch (vm.record.state) {
    case state::VmState::kCreating:
    case state::VmState::kStarting:
    case state::VmState::kStopping:
    case state::VmState::kDeleting:
      return true;
    default:
      return false;
  }
}

}  // namespace

Host::Host(Parts parts)
    : state_dir_(std::move(parts.state_dir)),
      store_(std::move(parts.store)),
      volumes_(std::move(parts.volumes)),
      catalog_(parts.catalog),
      io_(parts.io),
      backends_(std::move(parts.backends)),
      feed_(sequence_, *store_),
      waiters_(sequence_, vms_),
      ledger_({state_dir_, sequence_, *store_, backends_, *volumes_, catalog_, io_, parts.log,
               std::move(parts.host_boot_id), parts.boot_sign_limit},
              vms_, feed_, waiters_,
              [this](Vm& vm) {
                sequence_.AssertCurrent();
                autopilot_.OnChanged(vm);
                forwards_.Follow(vm);
                disks_.OnChanged(vm);
              }),
      supervisor_(ledger_, vms_, feed_, waiters_,
                  [this](Vm& vm) {
                    sequence_.AssertCurrent();
                    lifecycle_.Relaunch(vm);
                  }),
      lifecycle_(ledger_, supervisor_, vms_, feed_, waiters_,
                 {parts.limits.host_memory_mib, parts.memory_limit_percent},
                 [this] {
                   sequence_.AssertCurrent();
                   disks_.DropUnusedLayers();
                 }),
      settings_(ledger_, vms_, feed_, parts.limits),
      autopilot_(ledger_, lifecycle_, vms_, std::move(parts.clocks), parts.periods),
      forwards_(ledger_.context(), vms_, feed_),
      data_volumes_(ledger_, vms_),
      resize_(ledger_, vms_),
      disks_(ledger_, vms_),
      creator_(ledger_, lifecycle_, autopilot_, vms_, waiters_, feed_, parts.limits,
               std::move(parts.defaults)),
      forker_(ledger_, creator_, disks_, vms_, parts.limits),
      snapshots_(ledger_, disks_, vms_),
      recovery_(ledger_, supervisor_, lifecycle_, settings_, disks_, vms_),
      check_(ledger_, vms_),
      repair_(check_, ledger_, vms_, supervisor_, recovery_),
      pruner_(check_, ledger_),
      sequence_("host") {}

Host::~Host() {
  // The runners post their outcomes to the sequence: they end first, on it, and what they post
  // finds no VM any more. Who still waits hears it there too, and no stop token calls back later.
  sequence_.Post([this] {
    sequence_.AssertCurrent();
    forwards_.Clear();
    waiters_.Clear();
    feed_.Clear();
    vms_.Clear();
    data_volumes_.Shutdown();
  });
  sequence_.Shutdown();
}

void Host::AnswerView(const std::string& vm_id, const absl::Status& outcome, Reply<VmView>& reply) {
  sequence_.AssertCurrent();
  if (!outcome.ok()) return reply(outcome);
  const Vm* vm = vms_.FindById(vm_id);
  if (vm == nullptr) return reply(Aborted("the VM was deleted meanwhile"));
  reply(ledger_.ViewOf(*vm));
}

void Host::AnswerReady(const std::string& vm_id, absl::Duration agent_wait,
                       const Cancellation& cancellation, std::shared_ptr<Reply<VmView>> reply) {
  sequence_.AssertCurrent();
  Vm* vm = vms_.FindById(vm_id);
  if (vm == nullptr) return (*reply)(Aborted("the VM was deleted while it started"));
  lifecycle_.AwaitAgent(
      *vm, agent_wait, cancellation,
      [this, vm_id, reply](const absl::Status& ready) { AnswerView(vm_id, ready, *reply); });
}

void Host::Recover(Reply<Done> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    NoteImages();
    recovery_.Run([this] { OnVmsKnown(); },
                  Reply<Done>([this, reply = std::move(reply)](auto recovered) mutable {
                    sequence_.AssertCurrent();
                    if (recovered.ok()) {
                      resize_.Recover();
                      disks_.Sweep();
                      autopilot_.Begin();
                      LogAnomalies();
                    }
                    reply(std::move(recovered));
                  }));
  });
}

void Host::OnVmsKnown() {
  sequence_.AssertCurrent();
  RestoreForwards();
  data_volumes_.Recover();
}

void Host::RestoreForwards() {
  sequence_.AssertCurrent();
  if (const absl::Status restored = forwards_.Restore(); !restored.ok()) {
    ledger_.context().log.Error("no forward is served",
                                {{"cause", std::string(Message(restored))}});
  }
}

void Host::CreateVm(CreateVmSpec spec, Cancellation cancellation, Reply<VmView> reply) {
  Decide(std::move(reply),
         [this, spec = std::move(spec), cancellation](Reply<VmView> reply) mutable {
           sequence_.AssertCurrent();
           creator_.Create(std::move(spec), images_going_, cancellation, std::move(reply));
         });
}

void Host::StartVm(std::string name, absl::Duration agent_wait, Cancellation cancellation,
                   Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply),
           [this, agent_wait, cancellation](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             // A caller that goes away does not take a started VM with it: only the wait is
             // cancelled.
             lifecycle_.Start(vm, {},
                              [this, answer, agent_wait, cancellation,
                               id = vm.record.id](const absl::Status& launched) {
                                if (!launched.ok()) return (*answer)(launched);
                                AnswerReady(id, agent_wait, cancellation, answer);
                              });
           });
}

void Host::StopVm(std::string name, StopPlan plan, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply), [this, plan](Vm& vm, auto answer) {
    sequence_.AssertCurrent();
    // A start that is to follow, by restart or by policy, is given up: with a VM that is off, that
    // is all there is to stop.
    const bool planned = Autopilot::StartIsPlanned(vm);
    const bool off = HasStopped(vm) == Verdict::kHolds;
    if (planned && (off || plan.force)) {
      const absl::Status cancelled = autopilot_.CancelStart(vm);
      if (off || !cancelled.ok()) return AnswerView(vm.record.id, cancelled, *answer);
    }
    lifecycle_.Stop(vm, plan, std::nullopt,
                    [this, answer, id = vm.record.id](const absl::Status& stopped) {
                      AnswerView(id, stopped, *answer);
                    });
  });
}

void Host::RestartVm(std::string name, StopPlan plan, absl::Duration agent_wait,
                     Cancellation cancellation, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply),
           [this, plan, agent_wait, cancellation](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             autopilot_.Restart(vm, plan,
                                [this, answer, agent_wait, cancellation,
                                 id = vm.record.id](const absl::Status& started) {
                                  if (!started.ok()) return (*answer)(started);
                                  AnswerReady(id, agent_wait, cancellation, answer);
                                });
           });
}

void Host::PauseVm(std::string name, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply), [this](Vm& vm, auto answer) {
    sequence_.AssertCurrent();
    lifecycle_.Pause(vm, [this, answer, id = vm.record.id](const absl::Status& paused) {
      AnswerView(id, paused, *answer);
    });
  });
}

void Host::ResumeVm(std::string name, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply), [this](Vm& vm, auto answer) {
    sequence_.AssertCurrent();
    lifecycle_.Resume(vm, [this, answer, id = vm.record.id](const absl::Status& resumed) {
      AnswerView(id, resumed, *answer);
    });
  });
}

void Host::RenameVm(std::string name, std::string new_name, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply),
           [this, new_name = std::move(new_name)](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             settings_.Rename(vm, new_name,
                              [this, answer, id = vm.record.id](const absl::Status& renamed) {
                                AnswerView(id, renamed, *answer);
                              });
           });
}

void Host::UpdateVm(std::string name, VmUpdate update, Reply<VmView> reply) {
  DecideOn(std::move(name), std::move(reply),
           [this, update = std::move(update)](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             AnswerView(vm.record.id, settings_.Update(vm, update), *answer);
           });
}

void Host::DeleteVm(std::string name, DeleteMode mode, Reply<Done> reply) {
  DecideOn(std::move(name), std::move(reply), [this, mode](Vm& vm, auto answer) {
    sequence_.AssertCurrent();
    const bool force = mode == DeleteMode::kForce;
    const absl::Status bare = force ? absl::OkStatus() : snapshots_.CheckNone(vm);
    if (!bare.ok()) return (*answer)(bare);
    const state::VmEvent event = force ? state::VmEvent::kForceDelete : state::VmEvent::kDelete;
    lifecycle_.Remove(vm, event, "", [answer](absl::Status removed) {
      if (!removed.ok()) return (*answer)(removed);
      (*answer)(Done{});
    });
  });
}

void Host::Repair(HostRepair::Mode mode, Reply<std::vector<daemon::Repair>> reply) {
  Decide(std::move(reply), [this, mode](Reply<std::vector<daemon::Repair>> reply) {
    sequence_.AssertCurrent();
    repair_.Run(mode, std::move(reply));
  });
}

void Host::Drain(Reply<Done> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    draining_ = true;
    disks_.Stop();
    std::vector<Vm*> busy;
    vms_.ForEach([&](Vm& vm) {
      if (IsBusy(vm)) busy.push_back(&vm);
    });
    if (busy.empty()) return reply(Done{});
    // Answered by whichever VM settles last.
    auto all = std::make_shared<Reply<Done>>(std::move(reply));
    auto left = std::make_shared<size_t>(busy.size());
    for (Vm* vm : busy) {
      waiters_.Add(
          *vm,
          [](const Vm& current) { return IsBusy(current) ? Verdict::kNotYet : Verdict::kHolds; },
          absl::InfiniteDuration(), {},
          [all, left](WaitEnd, Vm*) {
            if (--*left == 0) (*all)(Done{});
          });
    }
  });
}

}  // namespace ember::daemon
