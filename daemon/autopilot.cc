#include "daemon/autopilot.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::daemon {
namespace {

constexpr uint32_t kMaxDoublings = 16;  // far beyond the longest back-off

bool IsOff(const Vm& vm) {
  switch (vm.record.state) {
    case state::VmState::kCreated:
    case state::VmState::kStopped:
    case state::VmState::kFailed:
      return true;
    default:
      return false;
  }
}

bool Runs(const Vm& vm) {
  return vm.record.state == state::VmState::kRunning || vm.record.state == state::VmState::kPaused;
}

void AnswerRestarts(Vm& vm, const absl::Status& outcome) {
  for (const auto& answer : std::exchange(vm.restarts, {})) answer(outcome);
}

}  // namespace

Autopilot::Autopilot(VmLedger& ledger, VmLifecycle& lifecycle, VmTable& vms, Clocks clocks,
                     Periods periods)
    : ledger_(ledger),
      lifecycle_(lifecycle),
      vms_(vms),
      clocks_(std::move(clocks)),
      periods_(periods) {}

state::Expiry Autopilot::ExpiryOf(absl::Duration ttl) const {
  state::Expiry expiry;
  expiry.at = clocks_.wall() + ttl;
  expiry.host_boot_id = ledger_.context().host_boot_id;
  expiry.boottime_ns = absl::ToInt64Nanoseconds(clocks_.since_boot() + ttl);
  return expiry;
}

// Within one boot of the host the wall clock has no say; across boots there is nothing else, and it
// can neither add to the time to live nor go below nothing.
absl::Duration Autopilot::LeftOf(const state::Expiry& expiry, absl::Duration ttl) const {
  if (expiry.host_boot_id == ledger_.context().host_boot_id) {
    return absl::Nanoseconds(expiry.boottime_ns) - clocks_.since_boot();
  }
  return std::clamp(expiry.at - clocks_.wall(), absl::ZeroDuration(), ttl);
}

void Autopilot::Watch(const Vm& vm) {
  if (!vm.record.expiry.has_value()) return;
  const absl::Duration left =
      LeftOf(*vm.record.expiry, vm.record.config.ttl.value_or(absl::InfiniteDuration()));
  ledger_.context().host.PostAfter(std::min(left, periods_.expiry_check),
                                   [this, id = vm.record.id] { Expire(id); });
}

void Autopilot::Expire(const std::string& vm_id) {
  Vm* vm = vms_.FindById(vm_id);
  if (vm == nullptr) return;
  const absl::Duration left =
      LeftOf(*vm->record.expiry, vm->record.config.ttl.value_or(absl::InfiniteDuration()));
  if (left > absl::ZeroDuration()) return Watch(*vm);
  // Looked at again: a delete that fails is not the last one.
  ledger_.context().host.PostAfter(periods_.expiry_check, [this, vm_id] { Expire(vm_id); });
  if (vm->record.follow_up == state::FollowUp::kDelete) return;
  ledger_.Settle("the end of a time to live", [this, vm_id] {
    Vm* current = vms_.FindById(vm_id);
    if (current == nullptr || current->record.state == state::VmState::kDeleting)
      return absl::OkStatus();
    return ledger_.CommitFollowUp(*current, state::FollowUp::kDelete, "expired",
                                  "its time to live has run out");
  });
}

void Autopilot::OnChanged(Vm& vm) {
  if (!IsOff(vm)) vm.next_start_at.reset();
  if (vm.record.follow_up == state::FollowUp::kNone && vm.restarts.empty()) return;
  ledger_.context().host.Post([this, id = vm.record.id] {
    if (Vm* current = vms_.FindById(id); current != nullptr) Advance(*current);
  });
}

void Autopilot::Begin() {
  std::vector<std::string> ids;
  vms_.ForEach([&](const Vm& vm) { ids.push_back(vm.record.id); });
  for (const std::string& id : ids) {
    Vm& vm = *vms_.FindById(id);
    Watch(vm);
    if (vm.record.follow_up != state::FollowUp::kNone) {
      OnChanged(vm);
    } else if (vm.record.config.autostart && IsOff(vm)) {
      lifecycle_.Start(vm, {}, [this, name = vm.record.name](const absl::Status& launched) {
        if (launched.ok()) return;
        ledger_.context().log.Error("autostart failed",
                                    {{"vm", name}, {"cause", std::string(Message(launched))}});
      });
    }
  }
}

void Autopilot::Advance(Vm& vm) {
  // What else was asked for meanwhile has taken the restart's place.
  const bool superseded = vm.record.follow_up != state::FollowUp::kStart &&
                          vm.record.state != state::VmState::kStarting;
  if (superseded) {
    AnswerRestarts(vm, Aborted("vm '{}': the restart was given up for what was asked for after it",
                               vm.record.name));
  }
  if (vm.renaming()) return;  // called again when that is settled
  switch (vm.record.follow_up) {
    case state::FollowUp::kNone:
      return;
    case state::FollowUp::kStart:
      return IsOff(vm) ? StartNow(vm, state::StartCause::kAsked) : void();
    case state::FollowUp::kRestart:
      return IsOff(vm) ? PlanStart(vm) : void();
    case state::FollowUp::kDelete:
      if (Runs(vm)) {
        lifecycle_.Stop(vm, {}, state::FollowUp::kDelete, [](const absl::Status&) {});
      } else if (IsOff(vm)) {
        lifecycle_.Remove(vm, state::VmEvent::kDelete, "", [](const absl::Status&) {});
      }
  }
}

void Autopilot::PlanStart(Vm& vm) {
  if (vm.next_start_at.has_value()) return;
  const absl::Duration backoff = TakeBackoff(vm);
  vm.next_start_at = clocks_.wall() + backoff;
  ledger_.context().host.PostAfter(backoff, [this, id = vm.record.id, plan = ++vm.start_plan] {
    Vm* current = vms_.FindById(id);
    if (current == nullptr || current->start_plan != plan) return;
    current->next_start_at.reset();
    const bool wanted = current->record.follow_up == state::FollowUp::kRestart && IsOff(*current) &&
                        !current->renaming();
    if (wanted) StartNow(*current, state::StartCause::kPolicy);
  });
}

absl::Duration Autopilot::TakeBackoff(Vm& vm) const {
  const bool ran = vm.record.started_at.has_value();
  if (ran && clocks_.wall() - *vm.record.started_at >= periods_.steady_run) vm.short_runs = 0;
  const uint32_t doublings = std::min(vm.short_runs++, kMaxDoublings);
  return std::min(periods_.first_backoff * (1 << doublings), periods_.longest_backoff);
}

void Autopilot::StartNow(Vm& vm, state::StartCause cause) {
  CrashPoint("restart/start");
  VmLifecycle::StartPlan plan;
  plan.cause = cause;
  lifecycle_.Start(vm, plan, [this, id = vm.record.id](const absl::Status& launched) {
    if (Vm* current = vms_.FindById(id); current != nullptr) OnStarted(*current, launched);
  });
}

// A failed launch is settled by the lifecycle, follow-up included. One that was refused before it
// began is not: a restart that somebody asked for ends here, one by policy is tried again.
void Autopilot::OnStarted(Vm& vm, const absl::Status& launched) {
  AnswerRestarts(vm, launched);
  if (launched.ok() || !IsOff(vm)) return;
  ledger_.context().log.Warn("a start that was to follow failed",
                             {{"vm", vm.record.name}, {"cause", std::string(Message(launched))}});
  if (vm.record.follow_up == state::FollowUp::kRestart) return PlanStart(vm);
  if (vm.record.follow_up != state::FollowUp::kStart) return;
  ledger_.Settle("a restart that was refused", [this, id = vm.record.id,
                                                why = std::string(Message(launched))] {
    Vm* current = vms_.FindById(id);
    return current == nullptr || current->record.follow_up != state::FollowUp::kStart
               ? absl::OkStatus()
               : ledger_.CommitFollowUp(*current, state::FollowUp::kNone, "start-refused", why);
  });
}

void Autopilot::Restart(Vm& vm, StopPlan plan, std::function<void(absl::Status)> started) {
  if (IsOff(vm)) return lifecycle_.Start(vm, {}, std::move(started));
  // Answered by the stop where that fails, else by what comes of the start.
  const auto answer = [once = std::make_shared<std::function<void(absl::Status)>>(
                           std::move(started))](const absl::Status& outcome) {
    if (*once) std::exchange(*once, nullptr)(outcome);
  };
  vm.restarts.push_back(answer);
  lifecycle_.Stop(vm, plan, state::FollowUp::kStart, [answer](const absl::Status& stopped) {
    if (!stopped.ok()) answer(stopped);
  });
}

absl::Status Autopilot::CancelStart(Vm& vm) {
  if (!StartIsPlanned(vm)) return absl::OkStatus();
  RETURN_IF_ERROR(ledger_.CommitFollowUp(vm, state::FollowUp::kNone, "start-cancelled", ""));
  vm.next_start_at.reset();
  ++vm.start_plan;
  return absl::OkStatus();
}

bool Autopilot::StartIsPlanned(const Vm& vm) { return state::LeadsToStart(vm.record.follow_up); }

}  // namespace ember::daemon
