#include "daemon/vm_runner.h"

#include <algorithm>
#include <utility>

#include "base/awaited.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "daemon/agent_call.h"
#include "daemon/console_log.h"
#include "daemon/main_process.h"
#include "daemon/volume_files.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kAgentShutdownReply = absl::Seconds(2);
constexpr absl::Duration kPowerButton = absl::Seconds(2);
constexpr absl::Duration kKill = absl::Seconds(10);
constexpr absl::Duration kMotion = absl::Seconds(10);
constexpr absl::Duration kConsolePeriod = absl::Seconds(2);
// Share of the grace that the agent's own shutdown gets before the power button is pressed.
constexpr int kAgentShareDivisor = 2;
// What the main process gets to end: as long as Docker gives one, within its share of the grace.
constexpr absl::Duration kMainEnd = absl::Seconds(10);
constexpr int kMainShareDivisor = 2;

absl::StatusOr<Done> DoneOr(absl::Status status) {
  if (!status.ok()) return status;
  return Done{};
}

}  // namespace

VmRunner::VmRunner(Context context, std::string vm_name, VmPaths paths)
    : context_(std::move(context)),
      vm_name_(std::move(vm_name)),
      paths_(std::move(paths)),
      sequence_(fmt::format("vm/{}", vm_name_), SequenceThread::kBorrowed) {}

void VmRunner::Prepare(DiskPlan plan, Cancellation cancellation,
                       Reply<std::optional<storage::Volume>> reply) {
  sequence_.Post([this, plan = std::move(plan), cancellation, reply = std::move(reply)]() mutable {
    reply(MakeDisk(plan, cancellation));
  });
}

absl::StatusOr<std::optional<storage::Volume>> VmRunner::MakeDisk(
    const DiskPlan& plan, const Cancellation& cancellation) {
  // A directory without a row is a leftover, and the row was committed before this call.
  RETURN_IF_ERROR(RemoveTree(paths_.dir));
  auto volume = FillDirectory(plan, cancellation);
  if (volume.ok()) return volume;
  std::vector<std::string> made;
  for (const state::NewVolume& data : plan.volumes) made.push_back(data.name);
  if (absl::Status removed = RemoveFiles(made); !removed.ok()) {
    context_.log.Warn("leftover after a failed create",
                      {{"vm", vm_name_}, {"cause", std::string(Message(removed))}});
  }
  return volume;
}

absl::StatusOr<std::optional<storage::Volume>> VmRunner::FillDirectory(
    const DiskPlan& plan, const Cancellation& cancellation) {
  RETURN_IF_ERROR(FaultPoint("create/make-directory"));
  RETURN_IF_ERROR(MakeDirectories(paths_.dir, 0700));
  for (const state::NewVolume& volume : plan.volumes) {
    RETURN_IF_ERROR(MakeVolumeFile(context_.state_dir, volume, cancellation));
  }
  if (plan.source.empty()) return std::nullopt;
  RETURN_IF_ERROR(FaultPoint("create/make-disk"));
  ASSIGN_OR_RETURN(storage::Volume volume, context_.volumes.Clone(plan.source, {paths_.dir},
                                                                  plan.size_bytes, cancellation));
  CrashPoint("create/disk-made");
  return volume;
}

void VmRunner::Launch(hypervisor::Backend& backend, hypervisor::MachineSpec spec,
                      Cancellation cancellation,
                      Reply<std::shared_ptr<hypervisor::Machine>> reply) {
  sequence_.Post(
      [this, &backend, spec = std::move(spec), cancellation, reply = std::move(reply)]() mutable {
        // The console tells of this boot only, so that its silence means something.
        RemoveConsole(paths_.console_log);
        if (absl::Status fault = FaultPoint("start/launch"); !fault.ok()) return reply(fault);
        auto machine = backend.Launch(spec, cancellation);
        CrashPoint("start/launched");
        if (!machine.ok()) return reply(machine.status());
        reply(std::shared_ptr<hypervisor::Machine>(*std::move(machine)));
      });
}

void VmRunner::Adopt(hypervisor::Backend& backend, hypervisor::MachineHandle handle,
                     Cancellation cancellation, Reply<std::shared_ptr<hypervisor::Machine>> reply) {
  sequence_.Post(
      [&backend, handle = std::move(handle), cancellation, reply = std::move(reply)]() mutable {
        auto machine = backend.Adopt(handle, cancellation);
        if (!machine.ok()) return reply(machine.status());
        reply(std::shared_ptr<hypervisor::Machine>(*std::move(machine)));
      });
}

void VmRunner::Reap(hypervisor::Backend& backend, hypervisor::MachineHandle handle,
                    Cancellation cancellation, Reply<Done> reply) {
  sequence_.Post(
      [&backend, handle = std::move(handle), cancellation, reply = std::move(reply)]() mutable {
        reply(DoneOr(backend.Reap(handle, cancellation)));
      });
}

void VmRunner::Stop(std::shared_ptr<hypervisor::Machine> machine, StopPlan plan,
                    Reply<hypervisor::ExitReport> reply) {
  sequence_.Post([this, machine = std::move(machine), plan, reply = std::move(reply)]() mutable {
    reply(StopNow(machine, plan));
  });
}

absl::StatusOr<hypervisor::ExitReport> VmRunner::StopNow(
    const std::shared_ptr<hypervisor::Machine>& machine, const StopPlan& plan) {
  RETURN_IF_ERROR(FaultPoint("stop/end-machine"));
  if (!plan.force) AskToPowerOff(machine, plan);
  CrashPoint("stop/guest-asked");
  // Also for a machine that has ended by itself: this is what removes its companions and sockets.
  const Cancellation kill_limit = Cancellation::After(kKill);
  RETURN_IF_ERROR(machine->Stop(hypervisor::PowerOff::kKill, kill_limit));
  CrashPoint("stop/machine-ended");
  return machine->WaitForExit(kill_limit);
}

void VmRunner::AskToPowerOff(const std::shared_ptr<hypervisor::Machine>& machine,
                             const StopPlan& plan) {
  const Cancellation all{plan.hurry, Deadline::After(plan.grace)};
  if (plan.frozen) {
    if (absl::Status thawed = machine->Resume(all); !thawed.ok()) {
      context_.log.Warn("the VM can't be resumed to shut down",
                        {{"vm", vm_name_}, {"cause", std::string(Message(thawed))}});
    }
  }
  if (plan.main_signal.has_value()) {
    StopMainProcess(context_.io, vm_name_, machine, *plan.main_signal,
                    all.Within(std::min(kMainEnd, plan.grace / kMainShareDivisor)));
  }
  agent::v1::ClientFrame question;
  question.mutable_shutdown()->set_mode(agent::v1::Shutdown::POWEROFF);
  Awaited<agent::v1::AgentFrame> answer;
  AskAgent(context_.io, machine, std::move(question), kAgentShutdownReply, answer.reply());
  if (answer.Wait(all, "agent shutdown").ok() &&
      machine->WaitForExit(all.Within(plan.grace / kAgentShareDivisor)).ok()) {
    return;
  }
  if (all.token.stop_requested()) return;
  context_.log.Info("the agent did not power the VM off; pressing the power button",
                    {{"vm", vm_name_}});
  if (absl::Status pressed = machine->Stop(hypervisor::PowerOff::kPolite, all.Within(kPowerButton));
      !pressed.ok()) {
    context_.log.Warn("the power button did not work",
                      {{"vm", vm_name_}, {"cause", std::string(Message(pressed))}});
  }
  if (!machine->WaitForExit(all).ok()) {
    context_.log.Warn("the guest did not power off in time; killing it", {{"vm", vm_name_}});
  }
}

void VmRunner::Move(std::shared_ptr<hypervisor::Machine> machine, Motion motion,
                    Reply<Done> reply) {
  sequence_.Post([machine = std::move(machine), motion, reply = std::move(reply)]() mutable {
    const Cancellation limit = Cancellation::After(kMotion);
    reply(DoneOr(motion == Motion::kPause ? machine->Pause(limit) : machine->Resume(limit)));
  });
}

void VmRunner::MoveTo(VmPaths paths, Reply<Done> reply) {
  sequence_.Post([this, paths = std::move(paths), reply = std::move(reply)]() mutable {
    absl::Status moved = FaultPoint("rename/move");
    if (moved.ok()) moved = MoveDirectory(paths_.dir, paths.dir);
    CrashPoint("rename/moved");
    reply(DoneOr(std::move(moved)));
  });
}

absl::Status VmRunner::RemoveFiles(const std::vector<std::string>& volumes) {
  for (const std::string& volume : volumes) {
    RETURN_IF_ERROR(RemoveVolumeFile(context_.state_dir, volume));
  }
  return RemoveTree(paths_.dir);
}

void VmRunner::Remove(std::vector<std::string> volumes, Reply<Done> reply) {
  sequence_.Post([this, volumes = std::move(volumes), reply = std::move(reply)]() mutable {
    absl::Status removed = FaultPoint("delete/remove-files");
    if (removed.ok()) removed = RemoveFiles(volumes);
    CrashPoint("delete/files-removed");
    reply(DoneOr(std::move(removed)));
  });
}

void VmRunner::KeepConsoleBounded(std::weak_ptr<hypervisor::Machine> machine) {
  sequence_.PostAfter(kConsolePeriod, [this, machine = std::move(machine)] {
    if (machine.expired()) return;
    if (absl::Status trimmed = TrimConsole(paths_.console_log); !trimmed.ok()) {
      context_.log.Warn("the console can't be trimmed",
                        {{"vm", vm_name_}, {"cause", std::string(Message(trimmed))}});
    }
    KeepConsoleBounded(machine);
  });
}

}  // namespace ember::daemon
