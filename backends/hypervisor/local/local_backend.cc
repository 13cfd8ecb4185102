#include "backends/hypervisor/local/local_backend.h"

#include "absl/cleanup/cleanup.h"
#include "backends/hypervisor/launch_checks.h"
#include "backends/hypervisor/local/local_machine.h"
#include "backends/hypervisor/newborn.h"
#include "backends/hypervisor/process_log.h"
#include "backends/hypervisor/process_tags.h"
#include "backends/hypervisor/tagged_kill.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

constexpr absl::Duration kSocketCheck = absl::Milliseconds(2);
constexpr absl::Duration kUndoLimit = absl::Seconds(10);

std::filesystem::path ConsoleLog(const std::filesystem::path& dir) { return dir / "console.log"; }

absl::StatusOr<Newborn> StartAgent(const std::filesystem::path& emberd, const MachineSpec& spec) {
  ASSIGN_OR_RETURN(const UniqueFd log, OpenProcessLog(ConsoleLog(spec.dir)));
  SpawnOptions options;
  options.argv = {emberd.native(), "--uds", (spec.dir / "agent.sock").native(), "--ready-socket",
                  spec.guest_socket_prefix.native() + "_1026"};
  options.env = TaggedEnvironment(spec.installation_id, spec.machine_id);
  options.cwd = "/";
  options.stdout_fd = log.get();
  options.stderr_fd = log.get();
  options.session = SessionMode::kOwn;
  ASSIGN_OR_RETURN(Process process, Spawn(options));
  return Newborn(std::move(process));
}

// The agent runs once it has made its sockets; one that ends before says why on its standard error.
absl::Status WaitForSockets(Process& agent, const MachineSpec& spec,
                            const Cancellation& cancellation) {
  const std::string what = fmt::format("vm '{}': start of the agent", spec.vm_name);
  std::error_code ignored;
  for (const auto& socket : LocalSockets(spec.dir)) {
    while (!std::filesystem::exists(socket, ignored)) {
      if (const auto exit = agent.TryWait()) {
        return Unavailable("{}: emberd ended with {}: {}", what, exit->Describe(),
                           LastWords(ConsoleLog(spec.dir)));
      }
      RETURN_IF_ERROR(cancellation.Pause(kSocketCheck, what));
    }
  }
  return absl::OkStatus();
}

}  // namespace

LocalBackend::LocalBackend(Options options, EventLoop& io, Log log)
    : options_(std::move(options)),
      capabilities_{.isolated = false,
                    .needs_kernel = false,
                    .reserves_memory = false,
                    .pause = true,
                    .qcow2_disks = true},
      io_(io),
      log_(std::move(log)) {}

ProbeResult LocalBackend::Probe(const Cancellation&) {
  const bool found = options_.emberd.has_parent_path()
                         ? access(options_.emberd.c_str(), X_OK) == 0
                         : FindProgram(options_.emberd.native()).has_value();
  if (found) {
    return {true, "none", "runs the agent as a plain process, without any isolation", ""};
  }
  return {false, "", fmt::format("{} is not an executable file", options_.emberd.native()),
          "build or install emberd, or name it in the daemon's configuration"};
}

absl::StatusOr<std::unique_ptr<Machine>> LocalBackend::Launch(const MachineSpec& spec,
                                                              const Cancellation& cancellation) {
  const auto sockets = LocalSockets(spec.dir);
  RETURN_IF_ERROR(CheckSpec(spec, sockets));
  RETURN_IF_ERROR(cancellation.Check(fmt::format("vm '{}': launch", spec.vm_name)));
  RemoveSockets(sockets);
  MachineHandle handle = HandleFor(spec, name(), "none");
  // Before the agent in this function, so that it is done after the agent has ended; what it has
  // started, or an agent that left our hands, is found by its tags.
  absl::Cleanup undo = [&sockets, &handle] {
    KillTagged(handle, Cancellation::After(kUndoLimit)).IgnoreError();
    RemoveSockets(sockets);
  };
  ASSIGN_OR_RETURN(Newborn agent, StartAgent(options_.emberd, spec));
  RETURN_IF_ERROR(WaitForSockets(agent.process(), spec, cancellation));
  handle.process = agent.process().identity();
  log_.Debug("agent started", {{"vm", spec.vm_name}, {"pid", fmt::to_string(handle.process.pid)}});
  auto machine = Wrap(handle, agent.Release());
  if (machine.ok()) std::move(undo).Cancel();
  return machine;
}

absl::StatusOr<std::unique_ptr<Machine>> LocalBackend::Adopt(const MachineHandle& handle,
                                                             const Cancellation&) {
  ASSIGN_OR_RETURN(Process process, OpenMember(handle, handle.process));
  return Wrap(handle, std::move(process));
}

absl::StatusOr<std::unique_ptr<Machine>> LocalBackend::Wrap(MachineHandle handle, Process process) {
  ProcessFamily::Members members{
      std::move(process), {}, LocalSockets(handle.dir), {ConsoleLog(handle.dir)}};
  ASSIGN_OR_RETURN(auto family, ProcessFamily::Watch(io_, std::move(members), nullptr));
  return std::make_unique<LocalMachine>(io_, std::move(handle), std::move(family));
}

absl::Status LocalBackend::Reap(const MachineHandle& handle, const Cancellation& cancellation) {
  RETURN_IF_ERROR(KillTagged(handle, cancellation));
  RemoveSockets(LocalSockets(handle.dir));
  return absl::OkStatus();
}

}  // namespace ember::hypervisor
