#include "daemon/disk_turns.h"

#include <utility>

namespace ember::daemon {

struct DiskTurns::Holder {
  Holder(DiskTurns& turns, std::string vm_id) : turns(turns), vm_id(std::move(vm_id)) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    turns.host_.Post([&turns = turns, vm_id = std::move(vm_id)] { turns.End(vm_id); });
  }

  DiskTurns& turns;
  std::string vm_id;
};

DiskTurns::Turn DiskTurns::Begin(Vm& vm) {
  vm.disk_taken = true;
  lines_[vm.record.id].interrupt.reset();
  return std::make_shared<Holder>(*this, vm.record.id);
}

void DiskTurns::Take(Vm& vm, Taker taker) {
  const auto line = lines_.find(vm.record.id);
  if (line == lines_.end()) return taker(&vm, Begin(vm));
  const auto& interrupt = line->second.interrupt;
  if (interrupt.has_value() && line->second.yields == Yields::kAtOnce) {
    std::stop_source(*interrupt).request_stop();
  }
  line->second.waiting.push_back(std::move(taker));
}

void DiskTurns::Pass(Vm& vm, std::function<void(Vm*)> decide) {
  if (!lines_.contains(vm.record.id)) return decide(&vm);
  Take(vm, [decide = std::move(decide)](Vm* current, const Turn&) { decide(current); });
}

DiskTurns::Turn DiskTurns::TakeIdle(Vm& vm, std::stop_source interrupt, Yields yields) {
  if (lines_.contains(vm.record.id)) return nullptr;
  Turn turn = Begin(vm);
  Line& line = lines_[vm.record.id];
  line.interrupt = std::move(interrupt);
  line.yields = yields;
  return turn;
}

void DiskTurns::InterruptIdle() {
  for (auto& [vm_id, line] : lines_) {
    if (line.interrupt.has_value()) line.interrupt->request_stop();
  }
}

void DiskTurns::End(const std::string& vm_id) {
  Line& line = lines_[vm_id];
  Vm* vm = vms_.FindById(vm_id);
  if (!line.waiting.empty()) {
    Taker next = std::move(line.waiting.front());
    line.waiting.pop_front();
    // Also a VM that is gone has its line, until the last of them has heard so.
    Turn turn = vm != nullptr ? Begin(*vm) : std::make_shared<Holder>(*this, vm_id);
    return next(vm, std::move(turn));
  }
  lines_.erase(vm_id);
  if (vm == nullptr) return;
  vm->disk_taken = false;
  waiters_.Notify(*vm);
  if (freed_ != nullptr) freed_(*vm);
}

}  // namespace ember::daemon
