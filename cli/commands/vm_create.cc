#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/proto_duration.h"
#include "cli/typed_value.h"
#include "cli/vm_config.h"
#include "cli/volume_spec.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

constexpr absl::Duration kDefaultWait = absl::Seconds(90);

struct Options {
  std::string name;
  VmConfig flags;
  std::vector<std::string> disks;  // "SIZE" of the root disk, or "NAME=SIZE"
  std::vector<std::string> volumes;
  std::string config_file;
  std::string request_id;
};

// --disk was the root disk's size alone, and still is where it names no volume.
absl::Status AddVolumes(const Options& options, VmConfig& flags) {
  for (const std::string& text : options.disks) {
    if (text.find('=') == std::string::npos) {
      ASSIGN_OR_RETURN(flags.disk, ParseSize(text));
    } else {
      ASSIGN_OR_RETURN(flags.volumes.emplace_back(), ParseDataDisk(text));
    }
  }
  for (const std::string& text : options.volumes) {
    ASSIGN_OR_RETURN(flags.volumes.emplace_back(), ParseVolumeSpec(text));
  }
  return absl::OkStatus();
}

// The file, with what the command line says about the same things.
absl::StatusOr<VmConfig> ConfigOf(const Options& options) {
  VmConfig flags = options.flags;
  RETURN_IF_ERROR(AddVolumes(options, flags));
  if (!options.name.empty()) flags.name = options.name;
  if (options.config_file.empty()) return flags;
  ASSIGN_OR_RETURN(const VmConfig file, ReadVmConfig(options.config_file));
  return MergedVmConfig(file, flags);
}

absl::Status Missing(std::string_view what, std::string_view key) {
  return WithHint(InvalidArgument("{} is missing", what),
                  fmt::format("give it here or as '{}' in a --vm-config file; 'ember vm create "
                              "--help' shows an example",
                              key));
}

absl::Status CheckConfig(const VmConfig& config) {
  if (config.name.value_or("").empty()) return Missing("NAME", "name");
  if (config.image.value_or("").empty()) return Missing("--image IMAGE", "image");
  const std::string restart = config.restart.value_or("no");
  if (config.rm.value_or(false) && restart != "no") {
    return WithHint(
        InvalidArgument("rm and restart '{}' contradict each other: a VM that is deleted when it "
                        "stops can't be started again",
                        restart),
        "give --no-rm or --restart no");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CreateVmRequest> RequestOf(const VmConfig& config) {
  RETURN_IF_ERROR(CheckConfig(config));
  v1::CreateVmRequest request;
  request.set_name(*config.name);
  request.set_image(*config.image);
  request.set_kernel(config.kernel.value_or(""));
  request.set_backend(config.backend.value_or(""));
  // The daemon knows how many are too many; a number that does not fit is, anyhow.
  request.set_vcpus(static_cast<uint32_t>(std::min<uint64_t>(config.cpus.value_or(0), UINT32_MAX)));
  ASSIGN_OR_RETURN(const uint32_t memory_mib, MemoryMib("--memory", config.memory.value_or(0)));
  request.set_memory_mib(memory_mib);
  request.set_disk_bytes(config.disk.value_or(0));
  for (const VolumeSpec& spec : config.volumes) {
    v1::VolumeAttachment& volume = *request.add_volumes();
    volume.set_volume(spec.name);
    volume.set_mount_path(spec.mount_path);
    volume.set_read_only(spec.read_only);
    volume.set_size_bytes(spec.size_bytes);
  }
  request.set_no_start(!config.start.value_or(true));
  *request.mutable_agent_wait() = ToProto(config.wait.value_or(kDefaultWait));
  request.mutable_labels()->insert(config.labels.begin(), config.labels.end());
  request.set_init(config.init == "agent" ? v1::CreateVmRequest::AGENT : v1::CreateVmRequest::AUTO);
  request.set_boot_args(config.boot_args.value_or(""));
  request.set_restart_policy(RestartPolicyOf(config.restart.value_or("")));
  request.set_remove_when_stopped(config.rm.value_or(false));
  if (config.ttl.has_value()) *request.mutable_ttl() = ToProto(*config.ttl);
  request.set_autostart(config.autostart.value_or(false));
  request.set_run_entrypoint(config.run.value_or(false));
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const VmConfig config, ConfigOf(options));
  ASSIGN_OR_RETURN(v1::CreateVmRequest request, RequestOf(config));
  request.set_request_id(options.request_id);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  const absl::Time start = absl::Now();
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("creating vm '{}'", request.name()));
  ASSIGN_OR_RETURN(const v1::Vm vm, client->CreateVm(request, {.progress = &progress}));
  progress.Clear();
  const bool awaited = config.wait.value_or(kDefaultWait) > absl::ZeroDuration();
  NoteOutcome(invocation, vm, awaited ? AgentWait::kAwaited : AgentWait::kSkipped,
              absl::Now() - start);
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

// What the machine is.
void DefineMachine(Arguments& arguments, Options& options) {
  VmConfig& flags = options.flags;
  arguments.Text("--image", "IMAGE", flags.image,
                 "What its disk is cloned from; must be here or in the file");
  arguments.Text("--kernel", "KERNEL", flags.kernel, "Default: the default kernel");
  arguments.Number("--cpus", "N", 1, flags.cpus, "Virtual CPUs (default 1)");
  arguments.Size("--memory", flags.memory, "Memory (default 512M)");
  arguments.Size("--disk-size", flags.disk, "Size of the disk (default 8G, sparse)");
  arguments.Repeated(
      "--disk", "NAME=SIZE", options.disks,
      "A blank data disk, made where there is none of its name (repeatable); without "
      "'=' as --disk-size");
  arguments.Repeated("--volume", "NAME[=SIZE]:/PATH[:ro]", options.volumes,
                     "A data volume and where it is mounted; with a size it is made where there is "
                     "none (repeatable)");
  arguments.Text("--backend", "BACKEND", flags.backend, "Default: the host's default");
  arguments.Choice("--init", InitWords(), flags.init,
                   "Who is PID 1: the image's init where it has one, or the agent");
  arguments.Text("--boot-args", "TEXT", flags.boot_args, "Appended to the kernel's command line");
  arguments.Pairs("--label", flags.labels, "Attach a label (repeatable)");
}

// How it lives.
void DefinePolicy(Arguments& arguments, VmConfig& flags) {
  arguments.Choice("--restart", RestartWords(), flags.restart,
                   "Whether it is started again when it ends by itself (default no)");
  arguments.Switch("autostart", flags.autostart,
                   "Start it whenever the daemon starts and finds it off (default no)");
  arguments.Switch("rm", flags.rm, "Delete it as soon as it has stopped (default no)");
  arguments.TimeToLive("--ttl", flags.ttl,
                       "Stop and delete it so long after the create, such as 2h or 1d12h");
  arguments.Switch("run", flags.run,
                   "With every boot start what the image is there to run; 'ember logs NAME main' "
                   "shows its output (default no)");
  arguments.Switch("start", flags.start, "Start it, or only create it (default: start)");
  arguments.Duration("--wait", flags.wait, "How long to wait for the agent (default 90, 0 skips)");
}

}  // namespace

Action DefineVmCreate(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->name,
                       "1 to 63 of a-z, 0-9 and '-'; must be here or in the file", Need::kOptional);
  arguments.Text("--vm-config", "FILE", options->config_file,
                 "YAML that says the same as these options, which win over it; '-' is stdin");
  DefineMachine(arguments, *options);
  DefinePolicy(arguments, options->flags);
  arguments.Text("--request-id", "ID", options->request_id,
                 "The same id again answers with the same VM instead of a new one");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
