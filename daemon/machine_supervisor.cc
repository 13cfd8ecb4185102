#include "daemon/machine_supervisor.h"

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/console_log.h"
#include "daemon/image_defaults.h"

namespace ember::daemon {
namespace {

constexpr int kQuotedConsoleLines = 5;

// "exit code 1: <what the hypervisor said>; console: <last lines>".
std::string WhyItEnded(const hypervisor::ExitReport& report, const VmPaths& paths) {
  std::string why = fmt::format("its machine ended: {}", report.exit.Describe());
  if (!report.last_words.empty()) why += fmt::format(": {}", report.last_words);
  const std::string console = LastConsoleLines(paths.console_log, kQuotedConsoleLines);
  if (!console.empty()) why += fmt::format("; last console lines: {}", console);
  return why;
}

// Nothing was printed, also not before the console was cut short.
bool ConsoleIsSilent(const VmPaths& paths) {
  const auto last = ConsoleTail(paths.console_log, 1);
  return last.ok() && last->empty();
}

}  // namespace

MachineSupervisor::MachineSupervisor(VmLedger& ledger, VmTable& vms, EventFeed& feed,
                                     Waiters& waiters, std::function<void(Vm&)> relaunch)
    : ledger_(ledger),
      context_(ledger.context()),
      vms_(vms),
      feed_(feed),
      waiters_(waiters),
      relaunch_(std::move(relaunch)) {}

void MachineSupervisor::Attach(Vm& vm, std::shared_ptr<hypervisor::Machine> machine) {
  const std::string vm_id = vm.record.id;
  const std::string machine_id = machine->handle().machine_id;
  vm.machine = machine;
  vm.agent = AgentState::kWaiting;
  vm.rebooting = false;
  vm.main_asked = false;
  vm.ended.reset();
  machine->OnExit([this, vm_id, machine_id](hypervisor::ExitReport report) {
    context_.host.Post([this, vm_id, machine_id, report = std::move(report)] {
      OnExited(vm_id, machine_id, report);
    });
  });
  vm.watch = AgentWatch::Start(context_.io, context_.log, vm.paths.vsock_socket, machine,
                               [this, vm_id, machine_id](AgentState agent) {
                                 context_.host.Post([this, vm_id, machine_id, agent] {
                                   OnAgentChanged(vm_id, machine_id, agent);
                                 });
                               });
  if (absl::Status opened = OpenBridge(vm); !opened.ok()) {
    context_.log.Error("the VM has no vsock.sock",
                       {{"vm", vm.record.name}, {"cause", std::string(Message(opened))}});
  }
  vm.runner->KeepConsoleBounded(machine);
  ledger_.MachineChanged(vm);
  context_.host.PostAfter(context_.boot_sign_limit,
                          [this, vm_id, machine_id] { CheckBoot(vm_id, machine_id); });
}

absl::Status MachineSupervisor::OpenBridge(Vm& vm) {
  if (vm.machine == nullptr) return FailedPrecondition("vm '{}' does not run", vm.record.name);
  vm.bridge.reset();
  ASSIGN_OR_RETURN(vm.bridge, VsockBridge::Open(context_.io, context_.log, vm.paths.vsock_socket,
                                                vm.record.owner_uid, vm.machine));
  return absl::OkStatus();
}

void MachineSupervisor::OnExited(const std::string& vm_id, const std::string& machine_id,
                                 const hypervisor::ExitReport& report) {
  Vm* vm = ledger_.FindMachine(vm_id, machine_id);
  if (vm == nullptr || vm->machine == nullptr) return;
  vm->ended = report;
  SettleEnd(*vm);
}

void MachineSupervisor::SettleEnd(Vm& vm) {
  const bool reported_by_another = vm.rebooting || vm.record.state == state::VmState::kStopping ||
                                   !state::MayHaveMachine(vm.record.state);
  if (!vm.ended.has_value() || vm.machine == nullptr || reported_by_another) return;
  const hypervisor::ExitReport report = *std::exchange(vm.ended, std::nullopt);
  const bool in_order = report.exit.code == 0;
  const std::string why = in_order ? "the guest powered off" : WhyItEnded(report, vm.paths);
  const state::VmEvent event = in_order ? state::VmEvent::kPoweredOff : state::VmEvent::kExited;
  vm.bridge.reset();
  // The runner removes what the machine leaves (companions, sockets) before the row forgets it.
  vm.runner->Stop(
      vm.machine, {.force = true},
      ledger_.Back<hypervisor::ExitReport>(vm, [this, machine_id = vm.machine->handle().machine_id,
                                                event, why](Vm& current, auto cleaned) {
        if (!cleaned.ok()) {
          context_.log.Error(
              "what a machine left can't be removed",
              {{"vm", current.record.name}, {"cause", std::string(Message(cleaned.status()))}});
        }
        ledger_.Settle("the end of a machine",
                       [this, id = current.record.id, machine_id, event, why] {
                         Vm* still = ledger_.FindMachine(id, machine_id);
                         return still == nullptr ? absl::OkStatus()
                                                 : ledger_.CommitMachineGone(*still, event, why);
                       });
      }));
}

void MachineSupervisor::OnAgentChanged(const std::string& vm_id, const std::string& machine_id,
                                       AgentState agent) {
  Vm* vm = ledger_.FindMachine(vm_id, machine_id);
  if (vm == nullptr || vm->machine == nullptr || vm->agent == agent) return;
  vm->agent = agent;
  // An event that can't be stored is missed by readers; the state it tells of is right all the
  // same.
  if (absl::Status stored =
          context_.store.AppendEvent(vm_id, fmt::format("agent-{}", AgentStateName(agent)), "");
      !stored.ok()) {
    context_.log.Warn("an event could not be stored",
                      {{"vm", vm->record.name}, {"cause", std::string(Message(stored))}});
  }
  feed_.Publish();
  if (agent == AgentState::kReady) StartMain(*vm, machine_id);
  waiters_.Notify(*vm);
}

// Once a boot, as soon as the agent is there. One that can't be reached is asked again when it is
// ready again; what the guest refuses is told by an event.
void MachineSupervisor::StartMain(Vm& vm, const std::string& machine_id) {
  const bool wanted = vm.record.image.has_value() && vm.record.image->run_entrypoint;
  if (!wanted || vm.main_asked) return;
  vm.main_asked = true;
  auto command = MainCommand(vm.record);
  if (!command.ok()) return OnMainStarted(vm.record.id, machine_id, command.status());
  StartMainProcess(context_.io, {vm.record.id, vm.record.name, vm.machine}, *std::move(command),
                   Reply<MainStart>([this, vm_id = vm.record.id,
                                     machine_id](absl::StatusOr<MainStart> started) mutable {
                     context_.host.Post([this, vm_id, machine_id, started = std::move(started)] {
                       OnMainStarted(vm_id, machine_id, started);
                     });
                   }));
}

void MachineSupervisor::OnMainStarted(const std::string& vm_id, const std::string& machine_id,
                                      const absl::StatusOr<MainStart>& started) {
  Vm* vm = ledger_.FindMachine(vm_id, machine_id);
  if (vm == nullptr || vm->machine == nullptr) return;
  if (started.ok() && *started == MainStart::kWasThere) return;
  if (absl::IsUnavailable(started.status())) vm->main_asked = false;
  const absl::Status stored =
      started.ok() ? context_.store.AppendEvent(vm_id, "main-started", "")
                   : context_.store.AppendEvent(vm_id, "main-failed", Message(started.status()));
  if (!started.ok()) {
    context_.log.Warn("what the image is there to run could not be started",
                      {{"vm", vm->record.name}, {"cause", std::string(Message(started.status()))}});
  }
  if (!stored.ok()) {
    context_.log.Warn("an event could not be stored",
                      {{"vm", vm->record.name}, {"cause", std::string(Message(stored))}});
  }
  feed_.Publish();
}

void MachineSupervisor::CheckBoot(const std::string& vm_id, const std::string& machine_id) {
  Vm* vm = ledger_.FindMachine(vm_id, machine_id);
  if (vm == nullptr || vm->record.state != state::VmState::kRunning ||
      vm->agent != AgentState::kWaiting)
    return;
  if (vm->record.boot_retries > 0 || !ConsoleIsSilent(vm->paths)) return;
  RetryBoot(*vm);
}

void MachineSupervisor::RetryBoot(Vm& vm) {
  context_.log.Warn("the boot shows no sign of life; starting it anew", {{"vm", vm.record.name}});
  vm.rebooting = true;
  vm.runner->Stop(vm.machine, {.force = true},
                  ledger_.Back<hypervisor::ExitReport>(vm, [this](Vm& current, auto report) {
                    current.rebooting = false;
                    // A stop or delete that came meanwhile goes its own way.
                    auto next = state::Next(current.record.state, state::VmEvent::kBootRetry,
                                            current.record.name);
                    auto intent = ledger_.NewIntent(current);
                    if (!report.ok() || !next.ok() || !intent.ok()) return SettleEnd(current);
                    current.LetGo();
                    auto record = context_.store.BeginBootRetry(
                        current.record.id, *intent, {*next, "no sign of life", "boot-retry"});
                    if (!record.ok()) {
                      return ledger_.Settle("a boot that hung", [this, id = current.record.id] {
                        Vm* vm = vms_.FindById(id);
                        return vm == nullptr ? absl::OkStatus()
                                             : ledger_.CommitMachineGone(
                                                   *vm, state::VmEvent::kExited, "its boot hung");
                      });
                    }
                    ledger_.Changed(current, *std::move(record));
                    relaunch_(current);
                  }));
}

}  // namespace ember::daemon
