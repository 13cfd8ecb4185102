#include "daemon/vm_table.h"

#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace ember::daemon {

void Vm::LetGo() {
  watch.reset();
  bridge.reset();
  machine.reset();
  agent = AgentState::kNone;
}

Vm& VmTable::Add(std::unique_ptr<Vm> vm) {
  Vm& added = *vm;
  EMBER_CHECK(by_id_.emplace(added.record.id, &added).second);
  EMBER_CHECK(by_name_.emplace(added.record.name, std::move(vm)).second);
  return added;
}

absl::StatusOr<Vm*> VmTable::Find(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second.get();
  return WithHint(
      WithReason(NotFound("vm '{}' does not exist", name), "VM_NOT_FOUND"),
      "list them with 'ember vm list', make one with 'ember vm create NAME --image IMAGE'");
}

Vm* VmTable::FindById(std::string_view id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void VmTable::Rename(Vm& vm, state::VmRecord record) {
  auto entry = by_name_.extract(vm.record.name);
  EMBER_CHECK(!entry.empty());
  vm.record = std::move(record);
  entry.key() = vm.record.name;
  EMBER_CHECK(by_name_.insert(std::move(entry)).inserted);
}

void VmTable::Erase(std::string_view id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const std::string name = found->second->record.name;
  by_id_.erase(found);
  by_name_.erase(name);
}

void VmTable::Clear() {
  by_id_.clear();
  by_name_.clear();
}

void VmTable::ForEach(const std::function<void(Vm&)>& visit) {
  for (auto& [name, vm] : by_name_) visit(*vm);
}

}  // namespace ember::daemon
