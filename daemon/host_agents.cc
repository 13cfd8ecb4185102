// What Host does with the agents of its VMs: waits for them, reaches them, leads forwards to them.
#include <utility>

#include "base/status.h"
#include "daemon/host_decisions.h"
#include "daemon/image_defaults.h"

namespace ember::daemon {
namespace {

absl::StatusOr<ReachedVm> ReachedOf(const Vm& vm) {
  const bool runs = vm.record.state == state::VmState::kRunning && vm.machine != nullptr;
  if (!runs) return NotRunning(vm);
  return ReachedVm{vm.record.id, vm.record.name, vm.machine};
}

}  // namespace

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

void Host::Reach(std::string name, Reply<ReachedVm> reply) {
  Decide(std::move(reply), [this, name = std::move(name)](Reply<ReachedVm> reply) {
    sequence_.AssertCurrent();
    const auto vm = vms_.Find(name);
    if (!vm.ok()) return reply(vm.status());
    reply(ReachedOf(**vm));
  });
}

void Host::Exec(ExecCommand command, std::shared_ptr<ExecSession::Client> client,
                Reply<std::shared_ptr<ExecSession>> reply) {
  Decide(std::move(reply), [this, command = std::move(command), client = std::move(client)](
                               Reply<std::shared_ptr<ExecSession>> reply) mutable {
    sequence_.AssertCurrent();
    const auto vm = vms_.Find(command.vm_name);
    if (!vm.ok()) return reply(vm.status());
    const auto reached = ReachedOf(**vm);
    if (!reached.ok()) return reply(reached.status());
    const auto whole = OverImageDefaults(std::move(command), (*vm)->record);
    if (!whole.ok()) return reply(whole.status());
    reply(ExecSession::Start(io_, reached->machine, *whole, kReachLimit, std::move(client)));
  });
}

void Host::AddForward(std::string vm_name, state::Forward forward, Reply<ForwardView> reply) {
  DecideOn(std::move(vm_name), std::move(reply),
           [this, forward = std::move(forward)](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             (*answer)(forwards_.Add(vm, forward));
           });
}

void Host::RemoveForward(std::string id, Reply<Done> reply) {
  Decide(std::move(reply), [this, id = std::move(id)](Reply<Done> reply) {
    sequence_.AssertCurrent();
    forwards_.Remove(id, std::move(reply));
  });
}

}  // namespace ember::daemon
