#include "daemon/vm_ledger.h"

#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "state/follow_up_rule.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kSettleRetry = absl::Seconds(1);

}  // namespace

VmLedger::VmLedger(Context context, VmTable& vms, EventFeed& feed, Waiters& waiters,
                   std::function<void(Vm&)> changed)
    : context_(std::move(context)),
      vms_(vms),
      feed_(feed),
      waiters_(waiters),
      changed_(std::move(changed)),
      disk_turns_(context_.host, vms, waiters) {}

Vm& VmLedger::Track(state::VmRecord record) {
  auto vm = std::make_unique<Vm>();
  vm->record = std::move(record);
  House(*vm);
  return vms_.Add(std::move(vm));
}

void VmLedger::House(Vm& vm) const {
  vm.paths = VmPaths::Of(context_.state_dir, vm.record.dir_name);
  vm.runner = std::make_unique<VmRunner>(
      VmRunner::Context{context_.io, context_.log, context_.volumes, context_.state_dir},
      vm.record.name, vm.paths);
}

absl::StatusOr<state::MachineRow> VmLedger::NewIntent(const Vm& vm) const {
  state::MachineRow intent;
  ASSIGN_OR_RETURN(intent.machine_id, RandomUuid());
  intent.host_boot_id = context_.host_boot_id;
  intent.backend = vm.record.config.backend;
  return intent;
}

absl::Status VmLedger::Commit(Vm& vm, state::VmEvent event, std::string message,
                              std::optional<state::FollowUp> follow_up) {
  ASSIGN_OR_RETURN(const state::VmState next, state::Next(vm.record.state, event, vm.record.name));
  if (next == vm.record.state) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      state::VmRecord record,
      context_.store.SetState(vm.record.id, {next, std::move(message), "", follow_up}));
  Changed(vm, std::move(record));
  return absl::OkStatus();
}

absl::Status VmLedger::CommitMachineGone(Vm& vm, state::VmEvent event, std::string message) {
  ASSIGN_OR_RETURN(const state::VmState next, state::Next(vm.record.state, event, vm.record.name));
  if (next == vm.record.state) return absl::OkStatus();  // somebody else reports more
  const state::Change change{next, std::move(message), "", state::FollowUpAfter(vm.record, event)};
  ASSIGN_OR_RETURN(state::VmRecord record, context_.store.ClearMachine(vm.record.id, change));
  vm.LetGo();
  Changed(vm, std::move(record));
  return absl::OkStatus();
}

absl::Status VmLedger::CommitFollowUp(Vm& vm, state::FollowUp follow_up, std::string kind,
                                      std::string message) {
  const bool failed = vm.record.state == state::VmState::kFailed;
  const state::Change change{vm.record.state, failed ? vm.record.state_reason : std::move(message),
                             std::move(kind), follow_up};
  ASSIGN_OR_RETURN(state::VmRecord record, context_.store.SetState(vm.record.id, change));
  Changed(vm, std::move(record));
  return absl::OkStatus();
}

void VmLedger::Settle(std::string what, std::function<absl::Status()> attempt) {
  const absl::Status done = attempt();
  if (done.ok()) return;
  if (done.code() == absl::StatusCode::kFailedPrecondition) {
    // The table refuses the outcome: something else has been settled meanwhile.
    context_.log.Warn("an outcome came too late",
                      {{"what", what}, {"cause", std::string(Message(done))}});
    return;
  }
  context_.log.Error("an outcome could not be stored; trying again",
                     {{"what", what}, {"cause", std::string(Message(done))}});
  context_.host.PostAfter(kSettleRetry,
                          [this, what = std::move(what), attempt = std::move(attempt)]() mutable {
                            Settle(std::move(what), std::move(attempt));
                          });
}

void VmLedger::Changed(Vm& vm, state::VmRecord record) {
  vm.record = std::move(record);
  context_.log.Info(
      "vm", {{"vm", vm.record.name}, {"state", std::string(state::VmStateName(vm.record.state))}});
  feed_.Publish();
  changed_(vm);
  waiters_.Notify(vm);
}

absl::Status VmLedger::ForgetMachine(Vm& vm) {
  ASSIGN_OR_RETURN(
      state::VmRecord record,
      context_.store.ClearMachine(vm.record.id,
                                  {vm.record.state, vm.record.state_reason, "machine-ended", {}}));
  vm.LetGo();
  Changed(vm, std::move(record));
  return absl::OkStatus();
}

Vm* VmLedger::FindMachine(const std::string& vm_id, const std::string& machine_id) {
  Vm* vm = vms_.FindById(vm_id);
  const bool same = vm != nullptr && vm->record.machine.has_value() &&
                    vm->record.machine->machine_id == machine_id;
  return same ? vm : nullptr;
}

absl::StatusOr<hypervisor::Backend*> VmLedger::FindBackend(std::string_view name) const {
  const auto found = context_.backends.find(name);
  if (found != context_.backends.end()) return found->second.get();
  std::string known;
  for (const auto& [word, backend] : context_.backends) known += (known.empty() ? "" : ", ") + word;
  return WithHint(InvalidArgument("backend '{}' is not known here", name),
                  fmt::format("use one of: {}", known));
}

hypervisor::MachineHandle VmLedger::HandleOf(const Vm& vm) const {
  hypervisor::MachineHandle handle;
  handle.installation_id = context_.store.installation_id();
  handle.vm_name = vm.record.name;
  handle.dir = vm.paths.dir;
  handle.guest_socket_prefix = vm.paths.vsock_socket;
  handle.guest_cid = vm.record.guest_cid;
  if (vm.record.machine.has_value()) {
    handle.backend = vm.record.machine->backend;
    handle.machine_id = vm.record.machine->machine_id;
    handle.process = vm.record.machine->process;
    handle.companions = vm.record.machine->companions;
    handle.accelerator = vm.record.machine->accelerator;
  }
  return handle;
}

VmView VmLedger::ViewOf(const Vm& vm) const {
  VmView view;
  view.record = vm.record;
  view.agent = vm.agent;
  view.vsock_path = vm.paths.vsock_socket;
  view.console_path = vm.paths.console_log;
  view.next_start_at = vm.next_start_at;
  return view;
}

}  // namespace ember::daemon
