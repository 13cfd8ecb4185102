#include "daemon/waiters.h"

#include <algorithm>
#include <stop_token>
#include <utility>
#include <vector>

namespace ember::daemon {

void Waiters::Add(Vm& vm, Condition condition, absl::Duration timeout,
                  const Cancellation& cancellation, Done done) {
  const Verdict now = condition(vm);
  if (now != Verdict::kNotYet) {
    std::move(done)(now == Verdict::kHolds ? WaitEnd::kHolds : WaitEnd::kNever, &vm);
    return;
  }
  if (cancellation.done()) return std::move(done)(WaitEnd::kCancelled, &vm);
  if (timeout <= absl::ZeroDuration()) return std::move(done)(WaitEnd::kTimedOut, &vm);
  const uint64_t id = next_id_++;
  waiters_.push_back({id, vm.record.id, std::move(condition), std::move(done), nullptr});
  if (timeout != absl::InfiniteDuration()) {
    host_.PostAfter(timeout, [this, id] { End(id, WaitEnd::kTimedOut); });
  }
  if (!cancellation.deadline.infinite()) {
    host_.PostAfter(cancellation.deadline.Remaining(),
                    [this, id] { End(id, WaitEnd::kCancelled); });
  }
  waiters_.back().on_stop = std::make_shared<std::stop_callback<std::function<void()>>>(
      cancellation.token, [this, id] { host_.Post([this, id] { End(id, WaitEnd::kCancelled); }); });
}

void Waiters::Notify(Vm& vm) {
  // What a finished waiter does may add waiters or change the VM: so ids are collected first.
  std::vector<uint64_t> ids;
  for (const Waiter& waiter : waiters_) {
    if (waiter.vm_id == vm.record.id) ids.push_back(waiter.id);
  }
  const std::string vm_id = vm.record.id;
  for (const uint64_t id : ids) {
    Vm* current = vms_.FindById(vm_id);
    const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                     [id](const Waiter& w) { return w.id == id; });
    if (current == nullptr || waiter == waiters_.end()) continue;
    const Verdict verdict = waiter->condition(*current);
    if (verdict == Verdict::kNotYet) continue;
    Finish(waiter, verdict == Verdict::kHolds ? WaitEnd::kHolds : WaitEnd::kNever, current);
  }
}

void Waiters::Gone(std::string_view vm_id) {
  while (true) {
    const auto waiter = std::find_if(waiters_.begin(), waiters_.end(),
                                     [vm_id](const Waiter& w) { return w.vm_id == vm_id; });
    if (waiter == waiters_.end()) return;
    Finish(waiter, WaitEnd::kGone, nullptr);
  }
}

void Waiters::Clear() {
  std::list<Waiter> dropped;
  dropped.swap(waiters_);
}

void Waiters::End(uint64_t id, WaitEnd end) {
  const auto waiter =
      std::find_if(waiters_.begin(), waiters_.end(), [id](const Waiter& w) { return w.id == id; });
  if (waiter == waiters_.end()) return;
  Finish(waiter, end, vms_.FindById(waiter->vm_id));
}

void Waiters::Finish(std::list<Waiter>::iterator waiter, WaitEnd end, Vm* vm) {
  Waiter finished = std::move(*waiter);
  waiters_.erase(waiter);
  std::move(finished.done)(end, vm);
}

}  // namespace ember::daemon
