#include "backends/hypervisor/qemu/qemu_backend.h"

#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "backends/hypervisor/launch_checks.h"
#include "backends/hypervisor/process_log.h"
#include "backends/hypervisor/process_tags.h"
#include "backends/hypervisor/qemu/command_line.h"
#include "backends/hypervisor/qemu/qemu_machine.h"
#include "backends/hypervisor/qemu/qmp_client.h"
#include "backends/hypervisor/tagged_kill.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

// Numbers of the descriptors in the QEMU process.
constexpr int kVhostFd = 3;
constexpr int kQmpFd = 4;

// How long a program that closed its control socket may take to end.
constexpr absl::Duration kEndGrace = absl::Seconds(2);

// Killed processes end at once, but for a host in trouble.
constexpr absl::Duration kUndoLimit = absl::Seconds(10);

absl::StatusOr<std::filesystem::path> FindExecutable(const std::filesystem::path& configured,
                                                     std::string_view name,
                                                     std::string_view remedy) {
  if (configured.empty()) {
    if (auto found = FindProgram(name)) return *std::move(found);
    return WithHint(NotFound("{} is not installed", name), remedy);
  }
  if (access(configured.c_str(), X_OK) == 0) return configured;
  return WithHint(NotFound("{} is not an executable file", configured.native()), remedy);
}

// Where distributions put QEMU's firmware. An empty path where there is none: QEMU's own BIOS then
// boots the machine, a little slower.
std::filesystem::path FindFirmware(std::string_view name) {
  constexpr std::array<std::string_view, 4> kFolders = {"/usr/share/qemu", "/usr/share/qboot",
                                                        "/usr/local/share/qemu", "/usr/lib/qemu"};
  if (name.empty()) return {};
  for (const std::string_view folder : kFolders) {
    std::filesystem::path candidate = std::filesystem::path(folder) / name;
    if (access(candidate.c_str(), R_OK) == 0) return candidate;
  }
  return {};
}

absl::Status CheckInputs(const MachineSpec& spec) {
  if (spec.guest_cid < 3 || spec.guest_cid == 0xFFFFFFFF) {
    return InvalidArgument("vm '{}': a guest CID is 3 to 0xFFFFFFFE, not {}", spec.vm_name,
                           spec.guest_cid);
  }
  if (spec.vcpus == 0 || spec.memory_mib == 0) {
    return InvalidArgument("vm '{}': a machine needs at least one CPU and some memory",
                           spec.vm_name);
  }
  RETURN_IF_ERROR(CheckReadable(spec.kernel, "kernel"));
  RETURN_IF_ERROR(CheckReadable(spec.initramfs, "initramfs"));
  for (const DiskSpec& disk : spec.disks) RETURN_IF_ERROR(CheckReadable(disk.path, "disk"));
  return absl::OkStatus();
}

// Waits until QEMU answers and the guest's CPUs run.
absl::Status WaitUntilRunning(const std::filesystem::path& qmp_socket,
                              const Cancellation& cancellation) {
  ASSIGN_OR_RETURN(QmpClient client, QmpClient::Connect(qmp_socket, cancellation));
  ASSIGN_OR_RETURN(const nlohmann::json status,
                   client.Execute("query-status", nlohmann::json(), cancellation));
  const auto running = status.find("running");
  if (running != status.end() && running->is_boolean() && running->get<bool>()) {
    return absl::OkStatus();
  }
  return Internal("QEMU started without running the guest: {}",
                  status.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// What went wrong in a launch, in the words of the program that caused it.
absl::Status Explain(const absl::Status& status, Newborn& qemu, Newborn& device,
                     const QemuFiles& files, const Cancellation& cancellation) {
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) return status;
  const auto device_end = device.process().TryWait();
  const auto exit = qemu.process().Wait(cancellation.Within(kEndGrace));
  const std::string words = LastWords(files.qemu_log);
  if (device_end.has_value()) {
    return Unavailable("ember-vsock-device ended with {}: {}", device_end->Describe(),
                       LastWords(files.device_log));
  }
  if (!exit.ok()) return words.empty() ? status : Annotate(status, words);
  return Unavailable("QEMU ended with {}: {}", exit->Describe(),
                     words.empty() ? "it gave no reason" : words);
}

}  // namespace

QemuBackend::QemuBackend(Options options, EventLoop& io, Log log)
    : options_(std::move(options)),
      capabilities_{.isolated = true,
                    .needs_kernel = true,
                    .pause = true,
                    .qcow2_disks = true,
                    .live_disks = true},
      io_(io),
      log_(std::move(log)) {}

absl::StatusOr<QemuBackend::Installation> QemuBackend::FindInstallation() const {
  Installation found;
  ASSIGN_OR_RETURN(found.architecture, HostArchitecture());
  ASSIGN_OR_RETURN(found.qemu,
                   FindExecutable(options_.qemu, found.architecture->program,
                                  fmt::format("apt install {}", found.architecture->package)));
  ASSIGN_OR_RETURN(found.vsock_device, FindExecutable(options_.vsock_device, "ember-vsock-device",
                                                      "install Ember's own programs again"));
  found.firmware =
      options_.firmware.empty() ? FindFirmware(found.architecture->firmware) : options_.firmware;
  return found;
}

Acceleration QemuBackend::Accelerate(const Installation& installation,
                                     const std::filesystem::path& kernel,
                                     const Cancellation& cancellation) const {
  AccelerationProbe::Options options;
  options.architecture = installation.architecture;
  options.qemu = installation.qemu;
  options.firmware = installation.firmware;
  options.cache_dir = options_.cache_dir;
  options.forced = options_.accelerator;
  return AccelerationProbe(std::move(options)).Decide(kernel, cancellation);
}

ProbeResult QemuBackend::Probe(const Cancellation& cancellation) {
  const auto installation = FindInstallation();
  if (!installation.ok()) {
    return {false, "", std::string(Message(installation.status())),
            HintOf(installation.status()).value_or("")};
  }
  const std::filesystem::path kernel =
      options_.probe_kernel ? options_.probe_kernel() : std::filesystem::path();
  Acceleration verdict = Accelerate(*installation, kernel, cancellation);
  return {true, std::move(verdict.accelerator), std::move(verdict.finding),
          std::move(verdict.remedy)};
}

absl::StatusOr<Newborn> QemuBackend::StartQemu(const Installation& installation,
                                               const MachineSpec& spec, const MachineHandle& handle,
                                               const UniqueFd& channel) const {
  const QemuFiles files(spec.dir);
  ASSIGN_OR_RETURN(const UniqueFd qmp, ListenUnix(files.qmp_socket, 0600));
  ASSIGN_OR_RETURN(const UniqueFd log, OpenProcessLog(files.qemu_log));
  QemuCommand command;
  command.architecture = installation.architecture;
  command.program = installation.qemu.native();
  command.firmware = installation.firmware;
  command.accelerator = handle.accelerator;
  command.console_log = files.console_log;
  command.vhost_fd = kVhostFd;
  command.qmp_fd = kQmpFd;
  SpawnOptions options;
  options.argv = QemuArguments(command, spec);
  options.env = TaggedEnvironment(spec.installation_id, spec.machine_id);
  options.cwd = "/";
  options.stdout_fd = log.get();
  options.stderr_fd = log.get();
  options.pass_fds = {{channel.get(), kVhostFd}, {qmp.get(), kQmpFd}};
  options.session = SessionMode::kOwn;
  ASSIGN_OR_RETURN(Process process, Spawn(options));
  return Newborn(std::move(process));
}

absl::StatusOr<std::unique_ptr<Machine>> QemuBackend::Launch(const MachineSpec& spec,
                                                             const Cancellation& cancellation) {
  const QemuFiles files(spec.dir);
  const std::string prefix = fmt::format("vm '{}'", spec.vm_name);
  RETURN_IF_ERROR(CheckSpec(spec, files.Sockets()));
  RETURN_IF_ERROR(CheckInputs(spec));
  ASSIGN_OR_RETURN(const Installation installation, FindInstallation());
  const Acceleration acceleration = Accelerate(installation, spec.kernel, cancellation);
  RETURN_IF_ERROR(cancellation.Check(prefix + ": launch"));
  MachineHandle handle = HandleFor(spec, name(), acceleration.accelerator);

  // Before anything is undone: sockets that answer belong to a machine that lives here.
  ASSIGN_OR_RETURN(VsockDevice device, StartVsockDevice(installation.vsock_device, handle));
  // Also what the processes have forked, or what left our hands, is found by its tags. The wish
  // that may have ended the launch does not end this.
  absl::Cleanup undo = [&files, &handle] {
    KillTagged(handle, Cancellation::After(kUndoLimit)).IgnoreError();
    RemoveSockets(files.Sockets());
  };
  ASSIGN_OR_RETURN(Newborn qemu, StartQemu(installation, spec, handle, device.channel));
  // QEMU's end of the channel must be QEMU's alone: the device ends when it is closed.
  device.channel.Reset();
  const absl::Status running = WaitUntilRunning(files.qmp_socket, cancellation);
  if (!running.ok()) {
    return Annotate(Explain(running, qemu, device.process, files, cancellation), prefix);
  }
  handle.process = qemu.process().identity();
  handle.companions = {device.process.process().identity()};
  log_.Debug("QEMU started", {{"vm", spec.vm_name},
                              {"pid", fmt::to_string(handle.process.pid)},
                              {"accelerator", handle.accelerator}});
  std::vector<Process> companions;
  companions.push_back(device.process.Release());
  auto machine = QemuMachine::Create(io_, log_, handle, qemu.Release(), std::move(companions));
  if (machine.ok()) std::move(undo).Cancel();
  return machine;
}

absl::StatusOr<std::unique_ptr<Machine>> QemuBackend::Adopt(const MachineHandle& handle,
                                                            const Cancellation&) {
  ASSIGN_OR_RETURN(Process qemu, OpenMember(handle, handle.process));
  std::vector<Process> companions;
  for (const ProcessIdentity& identity : handle.companions) {
    auto companion = OpenMember(handle, identity);
    if (companion.ok()) companions.push_back(*std::move(companion));
  }
  return QemuMachine::Create(io_, log_, handle, std::move(qemu), std::move(companions));
}

absl::Status QemuBackend::Reap(const MachineHandle& handle, const Cancellation& cancellation) {
  RETURN_IF_ERROR(KillTagged(handle, cancellation));
  RemoveSockets(QemuFiles(handle.dir).Sockets());
  return absl::OkStatus();
}

}  // namespace ember::hypervisor
