#include "daemon/host.h"

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::daemon {
namespace {

// A dial that meets nobody is repeated so long before an exec gives up: covers an agent that is
// just being restarted.
constexpr absl::Duration kExecConnect = absl::Seconds(10);

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

absl::Status InUse(std::string_view what, const std::string& name,
                   const std::vector<std::string>& vms) {
  return WithHint(
      WithReason(FailedPrecondition("{} '{}' is in use by VM(s): {}", what, name, Joined(vms)),
                 "IN_USE"),
      "delete them first with 'ember vm delete NAME'");
}

absl::Status NotRunning(const Vm& vm) {
  if (vm.record.state == state::VmState::kRunning) {
    return WithHint(
        Unavailable("vm '{}' is not taken over yet after a restart of emberhostd", vm.record.name),
        "try again in a moment");
  }
  const std::string_view state = state::VmStateName(vm.record.state);
  absl::Status status = WithReason(
      FailedPrecondition("vm '{}' is {}, not running", vm.record.name, state), "WRONG_STATE");
  const bool can_start = vm.record.state == state::VmState::kCreated ||
                         vm.record.state == state::VmState::kStopped ||
                         vm.record.state == state::VmState::kFailed;
  return can_start
             ? WithHint(status, fmt::format("start it with 'ember vm start {}'", vm.record.name))
             : status;
}

absl::Status BeingRenamed(const Vm& vm) {
  return WithHint(WithReason(FailedPrecondition("vm '{}' is being renamed from '{}'",
                                                vm.record.name, vm.record.dir_name),
                             "WRONG_STATE"),
                  "try again when that is done: ember vm list");
}

Verdict AgentIsReady(const Vm& vm) {
  if (vm.agent == AgentState::kReady) return Verdict::kHolds;
  const bool may_come =
      state::MayHaveMachine(vm.record.state) || vm.record.state == state::VmState::kCreating;
  return may_come && vm.record.state != state::VmState::kStopping ? Verdict::kNotYet
                                                                  : Verdict::kNever;
}

Verdict HasStopped(const Vm& vm) {
  switch (vm.record.state) {
    case state::VmState::kCreated:
    case state::VmState::kStopped:
    case state::VmState::kFailed:
      return Verdict::kHolds;
    default:
      return Verdict::kNotYet;
  }
}

bool IsBusy(const Vm& vm) {
  if (vm.renaming()) return true;
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
              }),
      supervisor_(ledger_, vms_, feed_, waiters_,
                  [this](Vm& vm) {
                    sequence_.AssertCurrent();
                    lifecycle_.Relaunch(vm);
                  }),
      lifecycle_(ledger_, supervisor_, vms_, feed_, waiters_,
                 {parts.limits.host_memory_mib, parts.memory_limit_percent}),
      settings_(ledger_, vms_, feed_, parts.limits),
      autopilot_(ledger_, lifecycle_, vms_, std::move(parts.clocks), parts.periods),
      creator_(ledger_, lifecycle_, autopilot_, vms_, waiters_, feed_, parts.limits,
               std::move(parts.defaults)),
      recovery_(ledger_, supervisor_, lifecycle_, settings_, vms_),
      check_(ledger_, vms_),
      repair_(check_, ledger_, vms_, supervisor_, recovery_),
      sequence_("host") {}

Host::~Host() {
  // The runners post their outcomes to the sequence: they end first, on it, and what they post
  // finds no VM any more. Who still waits hears it there too, and no stop token calls back later.
  sequence_.Post([this] {
    sequence_.AssertCurrent();
    waiters_.Clear();
    feed_.Clear();
    vms_.Clear();
  });
  sequence_.Shutdown();
}

template <typename T, typename Verb>
void Host::Decide(Reply<T> reply, Verb verb) {
  sequence_.Post([this, reply = std::move(reply), verb = std::move(verb)]() mutable {
    sequence_.AssertCurrent();
    if (draining_) {
      return reply(WithReason(Unavailable("emberhostd is shutting down"), "SHUTTING_DOWN"));
    }
    verb(std::move(reply));
  });
}

template <typename T, typename Verb>
void Host::DecideOn(std::string name, Reply<T> reply, Verb verb) {
  Decide(std::move(reply),
         [this, name = std::move(name), verb = std::move(verb)](Reply<T> reply) mutable {
           sequence_.AssertCurrent();
           auto vm = vms_.Find(name);
           if (!vm.ok()) return reply(vm.status());
           if ((*vm)->renaming()) return reply(BeingRenamed(**vm));
           verb(**vm, std::make_shared<Reply<T>>(std::move(reply)));
         });
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
    recovery_.Run(Reply<Done>([this, reply = std::move(reply)](auto recovered) mutable {
      sequence_.AssertCurrent();
      if (recovered.ok()) {
        autopilot_.Begin();
        LogAnomalies();
      }
      reply(std::move(recovered));
    }));
  });
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
    const state::VmEvent event =
        mode == DeleteMode::kForce ? state::VmEvent::kForceDelete : state::VmEvent::kDelete;
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

void Host::WaitVm(std::string name, WaitCondition condition, Cancellation cancellation,
                  Reply<VmView> reply) {
  Decide(std::move(reply),
         [this, name = std::move(name), condition, cancellation](Reply<VmView> reply) {
           sequence_.AssertCurrent();
           auto vm = vms_.Find(name);
           if (!vm.ok()) return reply(vm.status());
           auto answer = std::make_shared<Reply<VmView>>(std::move(reply));
           const auto answer_end = [this, name, answer, cancellation](WaitEnd end, Vm* current) {
             sequence_.AssertCurrent();
             switch (end) {
               case WaitEnd::kHolds:
                 return (*answer)(ledger_.ViewOf(*current));
               case WaitEnd::kNever:
                 return (*answer)(NotRunning(*current));
               case WaitEnd::kGone:
                 return (*answer)(Aborted("vm '{}' was deleted", name));
               case WaitEnd::kTimedOut:
               case WaitEnd::kCancelled:
                 return (*answer)(cancellation.Check(fmt::format("vm '{}': the wait", name)));
             }
           };
           waiters_.Add(**vm, condition == WaitCondition::kAgentReady ? AgentIsReady : HasStopped,
                        absl::InfiniteDuration(), cancellation, answer_end);
         });
}

void Host::Exec(ExecCommand command, std::shared_ptr<ExecSession::Client> client,
                Reply<std::shared_ptr<ExecSession>> reply) {
  Decide(std::move(reply), [this, command = std::move(command), client = std::move(client)](
                               Reply<std::shared_ptr<ExecSession>> reply) mutable {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(command.vm_name);
    if (!vm.ok()) return reply(vm.status());
    const bool runs = (*vm)->record.state == state::VmState::kRunning && (*vm)->machine != nullptr;
    if (!runs) return reply(NotRunning(**vm));
    reply(ExecSession::Start(io_, (*vm)->machine, std::move(command), kExecConnect,
                             std::move(client)));
  });
}

void Host::DeleteImage(std::string name, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name)](Reply<Done> reply) {
    sequence_.AssertCurrent();
    const Uses uses = CollectUses();
    if (const auto used = uses.of_image.find(name); used != uses.of_image.end()) {
      return reply(InUse("image", name, used->second));
    }
    // From here until it is gone no VM may be made from it.
    images_going_.insert(name);
    catalog_.DeleteImage(
        name,
        Reply<Done>([this, name, reply = std::move(reply)](absl::StatusOr<Done> done) mutable {
          sequence_.Post([this, name, done, reply = std::move(reply)]() mutable {
            sequence_.AssertCurrent();
            images_going_.erase(name);
            reply(done);
          });
        }));
  });
}

void Host::DeleteKernel(std::string name, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name)](Reply<Done> reply) {
    sequence_.AssertCurrent();
    const Uses uses = CollectUses();
    if (const auto used = uses.of_kernel.find(name); used != uses.of_kernel.end()) {
      return reply(InUse("kernel", name, used->second));
    }
    // A VM that is created meanwhile with this kernel does not start and says so: kernels are not
    // cloned.
    catalog_.DeleteKernel(name, std::move(reply));
  });
}

void Host::Drain(Reply<Done> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    draining_ = true;
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
