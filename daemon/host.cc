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
              vms_, feed_, waiters_),
      supervisor_(ledger_, vms_, feed_, waiters_,
                  [this](Vm& vm) {
                    sequence_.AssertCurrent();
                    lifecycle_.Relaunch(vm);
                  }),
      lifecycle_(ledger_, supervisor_, vms_, feed_, waiters_),
      creator_(ledger_, lifecycle_, vms_, waiters_, feed_, std::move(parts.limits)),
      recovery_(ledger_, supervisor_, lifecycle_, vms_),
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

void Host::Recover(Reply<Done> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    recovery_.Run(std::move(reply));
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
  Decide(std::move(reply), [this, name = std::move(name), agent_wait,
                            cancellation](Reply<VmView> reply) {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    // Shared by the two steps; exactly one of them answers.
    auto answer = std::make_shared<Reply<VmView>>(std::move(reply));
    // A caller that goes away does not take a started VM with it: only the wait is
    // cancelled.
    lifecycle_.Start(
        **vm, VmLifecycle::OnFailure::kStayFailed, {},
        [this, answer, agent_wait, cancellation, id = (*vm)->record.id](absl::Status launched) {
          sequence_.AssertCurrent();
          if (!launched.ok()) return (*answer)(launched);
          Vm* current = vms_.FindById(id);
          if (current == nullptr) return (*answer)(Aborted("the VM was deleted while it started"));
          lifecycle_.AwaitAgent(
              *current, agent_wait, cancellation, [this, answer, id](absl::Status ready) {
                sequence_.AssertCurrent();
                const Vm* vm = vms_.FindById(id);
                if (!ready.ok() || vm == nullptr)
                  return (*answer)(ready.ok() ? Aborted("the VM was deleted") : ready);
                (*answer)(ledger_.ViewOf(*vm));
              });
        });
  });
}

void Host::StopVm(std::string name, StopPlan plan, Reply<VmView> reply) {
  Decide(std::move(reply), [this, name = std::move(name), plan](Reply<VmView> reply) {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    auto answer = std::make_shared<Reply<VmView>>(std::move(reply));
    lifecycle_.Stop(**vm, plan, [this, answer, id = (*vm)->record.id](absl::Status stopped) {
      sequence_.AssertCurrent();
      const Vm* current = vms_.FindById(id);
      if (!stopped.ok()) return (*answer)(stopped);
      if (current == nullptr) return (*answer)(Aborted("the VM was deleted meanwhile"));
      (*answer)(ledger_.ViewOf(*current));
    });
  });
}

void Host::DeleteVm(std::string name, DeleteMode mode, Reply<Done> reply) {
  Decide(std::move(reply), [this, name = std::move(name), mode](Reply<Done> reply) {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    const state::VmEvent event =
        mode == DeleteMode::kForce ? state::VmEvent::kForceDelete : state::VmEvent::kDelete;
    auto answer = std::make_shared<Reply<Done>>(std::move(reply));
    lifecycle_.Remove(**vm, event, "", [answer](absl::Status removed) {
      if (!removed.ok()) return (*answer)(removed);
      (*answer)(Done{});
    });
  });
}

void Host::GetVm(std::string name, Reply<VmView> reply) {
  sequence_.Post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    reply(ledger_.ViewOf(**vm));
  });
}

void Host::ListVms(Reply<std::vector<VmView>> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    std::vector<VmView> views;
    views.reserve(vms_.size());
    vms_.ForEach([&](Vm& vm) {
      sequence_.AssertCurrent();
      views.push_back(ledger_.ViewOf(vm));
    });
    reply(std::move(views));
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
    reply(std::move(summary));
  });
}

Host::Uses Host::CollectUses() {
  sequence_.AssertCurrent();
  Uses uses;
  vms_.ForEach([&](Vm& vm) {
    uses.of_image[vm.record.config.image].push_back(vm.record.name);
    uses.of_kernel[vm.record.config.kernel].push_back(vm.record.name);
  });
  return uses;
}

void Host::ListUses(Reply<Uses> reply) {
  sequence_.Post([this, reply = std::move(reply)]() mutable { reply(CollectUses()); });
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
