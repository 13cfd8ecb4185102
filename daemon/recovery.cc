#include "daemon/recovery.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "backends/hypervisor/process_tags.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/console_log.h"
#include "daemon/leftovers.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kPerVm = absl::Seconds(10);
constexpr absl::Duration kAdoptAgain = absl::Seconds(1);
constexpr int kQuotedConsoleLines = 5;

// Of the machine on record; empty where there is none.
std::string MachineIdOf(const Vm& vm) {
  return vm.record.machine.has_value() ? vm.record.machine->machine_id : "";
}

}  // namespace

struct Recovery::Pass {
  Reply<Done> reply;
  absl::Status failed;

  ~Pass() {
    if (failed.ok()) {
      reply(Done{});
    } else {
      reply(failed);
    }
  }
};

void Recovery::Run(const std::function<void()>& known, Reply<Done> reply) {
  auto pass = std::make_shared<Pass>();
  pass->reply = std::move(reply);
  auto records = ledger_.context().store.ListVms();
  if (!records.ok()) {
    pass->failed = records.status();
    return;
  }
  std::vector<Vm*> tracked;
  for (state::VmRecord& record : *records) tracked.push_back(&ledger_.Track(std::move(record)));
  known();
  RemoveLeftovers();
  for (Vm* vm : tracked) Recover(*vm, pass);
}

void Recovery::Recover(Vm& vm, const PassPtr& pass) {
  const auto hold = [pass](const absl::Status&) {};
  if (vm.renaming()) return settings_.FinishRename(vm, hold);
  switch (vm.record.state) {
    case state::VmState::kCreating:
      return lifecycle_.Remove(vm, state::VmEvent::kCreateFailed,
                               "emberhostd ended while it was created", hold);
    case state::VmState::kStarting:
      return EndLeftMachine(vm, state::VmEvent::kLost, "emberhostd ended while it was started",
                            pass);
    case state::VmState::kRunning:
    case state::VmState::kPaused:
    case state::VmState::kStopping:
      return Adopt(vm, pass);
    case state::VmState::kDeleting:
      return lifecycle_.FinishRemoval(vm, "finished after a restart of emberhostd", hold);
    case state::VmState::kFailed:
      // A delete or a recovery that could not end its machine.
      if (vm.record.machine.has_value()) EndLeftMachine(vm, std::nullopt, "", pass);
      return;
    case state::VmState::kCreated:
    case state::VmState::kStopped:
      return;
  }
}

void Recovery::Adopt(Vm& vm, const PassPtr& pass) {
  const bool same_boot = vm.record.machine.has_value() &&
                         vm.record.machine->host_boot_id == ledger_.context().host_boot_id;
  if (!same_boot) return MachineGone(vm, state::VmEvent::kLost, "the host was restarted");
  auto backend = ledger_.FindBackend(vm.record.machine->backend);
  if (!backend.ok()) return MachineLeft(vm, state::VmEvent::kLost, backend.status());
  vm.runner->Adopt(**backend, ledger_.HandleOf(vm), Cancellation::After(kPerVm),
                   ledger_.Back<std::shared_ptr<hypervisor::Machine>>(
                       vm, [this, pass](Vm& current, auto machine) {
                         OnAdopted(current, std::move(machine), pass);
                       }));
}

void Recovery::OnAdopted(Vm& vm, absl::StatusOr<std::shared_ptr<hypervisor::Machine>> machine,
                         const PassPtr& pass) {
  if (machine.ok()) {
    ledger_.context().log.Info("adopted", {{"vm", vm.record.name}});
    supervisor_.Attach(vm, *std::move(machine));
    MatchMotion(vm);
    disks_.OnAdopted(vm, [pass] {});
    if (vm.record.state == state::VmState::kStopping) {
      // The guest is asked again, with a whole grace; nobody has to wait for that.
      lifecycle_.FinishStop(vm, {}, [](const absl::Status&) {});
    }
    return;
  }
  if (!absl::IsNotFound(machine.status())) return AdoptLater(vm, machine.status());
  SettleLost(vm, machine.status(), pass);
}

// A pause or resume that was cut off between the machine and the row: the row decides.
void Recovery::MatchMotion(Vm& vm) {
  auto backend = ledger_.FindBackend(vm.record.config.backend);
  if (!backend.ok() || !(*backend)->capabilities().pause) return;
  const bool paused = vm.record.state == state::VmState::kPaused;
  if (paused) vm.watch->Suspend();
  vm.runner->Move(
      vm.machine, paused ? VmRunner::Motion::kPause : VmRunner::Motion::kResume,
      ledger_.Back<Done>(vm, [this](Vm& current, const absl::StatusOr<Done>& moved) {
        if (moved.ok()) return;
        ledger_.context().log.Warn(
            "a machine may be frozen though its row says otherwise",
            {{"vm", current.record.name}, {"cause", std::string(Message(moved.status()))}});
      }));
}

void Recovery::SettleLost(Vm& vm) {
  SettleLost(vm, NotFound("no process has pid {}", vm.record.machine->process.pid), nullptr);
}

void Recovery::SettleLost(Vm& vm, const absl::Status& gone, const PassPtr& pass) {
  std::string why = fmt::format("its machine ended while emberhostd was down ({})", Message(gone));
  const std::string console = LastConsoleLines(vm.paths.console_log, kQuotedConsoleLines);
  if (!console.empty()) why += fmt::format("; last console lines: {}", console);
  // Companions and sockets may be there still.
  EndLeftMachine(vm, state::VmEvent::kLost, std::move(why), pass);
}

// The machine may well run: it keeps its state, and the adoption is tried again.
void Recovery::AdoptLater(Vm& vm, const absl::Status& why) {
  ledger_.context().log.Error("a machine could not be adopted; trying again",
                              {{"vm", vm.record.name}, {"cause", std::string(Message(why))}});
  ledger_.context().host.PostAfter(kAdoptAgain, [this, id = vm.record.id, state = vm.record.state] {
    Vm* current = vms_.FindById(id);
    const bool still_waits = current != nullptr && current->record.state == state &&
                             current->machine == nullptr && current->record.machine.has_value();
    if (still_waits) Adopt(*current, nullptr);
  });
}

void Recovery::EndLeftMachine(Vm& vm, std::optional<state::VmEvent> event, std::string why,
                              const PassPtr& pass) {
  if (!vm.record.machine.has_value()) return MachineGone(vm, event, std::move(why));
  auto backend = ledger_.FindBackend(vm.record.machine->backend);
  if (!backend.ok()) return MachineLeft(vm, event, backend.status());
  vm.runner->Reap(**backend, ledger_.HandleOf(vm), Cancellation::After(kPerVm),
                  ledger_.Back<Done>(vm, [this, machine_id = MachineIdOf(vm), event,
                                          why = std::move(why), pass](Vm& current, auto reaped) {
                    // Somebody else has settled it; another machine may run by now.
                    if (MachineIdOf(current) != machine_id) return;
                    if (!reaped.ok()) return MachineLeft(current, event, reaped.status());
                    MachineGone(current, event, why);
                  }));
}

void Recovery::MachineGone(Vm& vm, std::optional<state::VmEvent> event, std::string why) {
  ledger_.Settle("a machine that is gone", [this, id = vm.record.id, machine_id = MachineIdOf(vm),
                                            event, why = std::move(why)] {
    Vm* current = vms_.FindById(id);
    if (current == nullptr || MachineIdOf(*current) != machine_id) return absl::OkStatus();
    return event.has_value() ? ledger_.CommitMachineGone(*current, *event, why)
                             : ledger_.ForgetMachine(*current);
  });
}

void Recovery::MachineLeft(Vm& vm, std::optional<state::VmEvent> event, const absl::Status& why) {
  ledger_.context().log.Error("what is left of a machine could not be ended",
                              {{"vm", vm.record.name}, {"cause", std::string(Message(why))}});
  if (!event.has_value()) return;
  const std::string reason =
      fmt::format("what is left of its machine could not be ended: {}", Message(why));
  ledger_.Settle("a machine that is left", [this, id = vm.record.id, event, reason] {
    Vm* current = vms_.FindById(id);
    return current == nullptr ? absl::OkStatus() : ledger_.Commit(*current, *event, reason);
  });
}

void Recovery::RemoveLeftovers() {
  const VmLedger::Context& context = ledger_.context();
  std::set<std::string> known_machines;
  std::set<std::string> known_dirs;
  vms_.ForEach([&](Vm& vm) {
    known_dirs.insert({vm.record.name, vm.record.dir_name});
    if (vm.record.machine.has_value()) known_machines.insert(vm.record.machine->machine_id);
  });
  auto tagged = hypervisor::FindTagged(context.store.installation_id());
  if (!tagged.ok())
    context.log.Error("leftovers can't be looked for",
                      {{"cause", std::string(Message(tagged.status()))}});
  for (const hypervisor::TaggedProcess& process :
       tagged.value_or(std::vector<hypervisor::TaggedProcess>())) {
    if (known_machines.contains(process.machine_id)) continue;
    context.log.Warn("ending a leftover process",
                     {{"pid", fmt::format("{}", process.identity.pid)}});
    const absl::Status killed =
        EndLeftProcesses(context.store.installation_id(), process.machine_id);
    if (!killed.ok()) {
      context.log.Error("a leftover process can't be ended",
                        {{"cause", std::string(Message(killed))}});
    }
  }
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(context.state_dir / "vms", ignored)) {
    if (known_dirs.contains(entry.path().filename().native())) continue;
    context.log.Warn("removing a leftover directory", {{"path", entry.path().native()}});
    const absl::Status removed = RemoveLeftDirectory(context.state_dir / "vms", entry.path());
    if (!removed.ok()) {
      context.log.Error("a leftover can't be removed", {{"cause", std::string(Message(removed))}});
    }
  }
}

}  // namespace ember::daemon
