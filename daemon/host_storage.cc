// What Host does with the disks of its VMs: forks and snapshots.
#include <utility>

#include "base/status.h"
#include "daemon/host_decisions.h"

namespace ember::daemon {

void Host::ForkVm(ForkVmSpec spec, Cancellation cancellation, Reply<ForkedVm> reply) {
  Decide(std::move(reply),
         [this, spec = std::move(spec), cancellation](Reply<ForkedVm> reply) mutable {
           sequence_.AssertCurrent();
           forker_.Fork(std::move(spec), cancellation, std::move(reply));
         });
}

void Host::CreateSnapshot(std::string vm_name, std::string name, Cancellation cancellation,
                          Reply<SnapshotView> reply) {
  DecideOn(std::move(vm_name), std::move(reply),
           [this, name = std::move(name), cancellation](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             snapshots_.Create(vm, name, cancellation, std::move(*answer));
           });
}

void Host::ListSnapshots(std::string vm_name, Reply<std::vector<SnapshotView>> reply) {
  sequence_.Post([this, vm_name = std::move(vm_name), reply = std::move(reply)]() mutable {
    sequence_.AssertCurrent();
    if (vm_name.empty()) return reply(snapshots_.List(nullptr));
    const auto vm = vms_.Find(vm_name);
    if (!vm.ok()) return reply(vm.status());
    reply(snapshots_.List(*vm));
  });
}

void Host::RestoreSnapshot(std::string vm_name, std::string name, Cancellation cancellation,
                           Reply<VmView> reply) {
  DecideOn(std::move(vm_name), std::move(reply),
           [this, name = std::move(name), cancellation](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             snapshots_.Restore(vm, name, cancellation,
                                [this, answer, id = vm.record.id](const absl::Status& restored) {
                                  AnswerView(id, restored, *answer);
                                });
           });
}

void Host::DeleteSnapshot(std::string vm_name, std::string name, Reply<Done> reply) {
  DecideOn(std::move(vm_name), std::move(reply),
           [this, name = std::move(name)](Vm& vm, auto answer) {
             sequence_.AssertCurrent();
             snapshots_.Delete(vm, name, [answer](const absl::Status& deleted) {
               if (!deleted.ok()) return (*answer)(deleted);
               (*answer)(Done{});
             });
           });
}

}  // namespace ember::daemon
