#include <algorithm>
#include <memory>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/typed_value.h"
#include "cli/vm_config.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

struct Options {
  std::string name;
  VmConfig changes;  // of it, what an update can change
  std::vector<std::string> remove_labels;
};

absl::Status AddLabels(const Options& options, v1::UpdateVmRequest& request) {
  const auto& labels = options.changes.labels;
  request.mutable_set_labels()->insert(labels.begin(), labels.end());
  for (const std::string& key : options.remove_labels) {
    if (key.empty() || key.find('=') != std::string::npos) {
      return WithHint(InvalidArgument("--remove-label '{}' is not a label's key", key),
                      "give the key alone, without '=' and its value");
    }
    if (labels.count(key) != 0) {
      return InvalidArgument("label '{}' is both set and removed", key);
    }
    request.add_remove_labels(key);
  }
  return absl::OkStatus();
}

absl::Status CheckChanges(const v1::UpdateVmRequest& request) {
  v1::UpdateVmRequest nothing;
  nothing.set_name(request.name());
  if (request.SerializeAsString() != nothing.SerializeAsString()) return absl::OkStatus();
  return WithHint(InvalidArgument("no configuration changes specified"),
                  "give one or more of --cpus, --memory, --kernel, --boot-args, --label, --labels, "
                  "--remove-label, --restart, --autostart and --no-autostart");
}

absl::StatusOr<v1::UpdateVmRequest> RequestOf(const Options& options) {
  const VmConfig& changes = options.changes;
  v1::UpdateVmRequest request;
  request.set_name(options.name);
  // The daemon knows how many are too many; a number that does not fit is, anyhow.
  if (changes.cpus.has_value()) {
    request.set_vcpus(static_cast<uint32_t>(std::min<uint64_t>(*changes.cpus, UINT32_MAX)));
  }
  if (changes.memory.has_value()) {
    ASSIGN_OR_RETURN(const uint32_t memory_mib, MemoryMib("--memory", *changes.memory));
    request.set_memory_mib(memory_mib);
  }
  if (changes.kernel.has_value()) request.set_kernel(*changes.kernel);
  if (changes.boot_args.has_value()) request.set_boot_args(*changes.boot_args);
  if (changes.restart.has_value()) request.set_restart_policy(RestartPolicyOf(*changes.restart));
  if (changes.autostart.has_value()) request.set_autostart(*changes.autostart);
  RETURN_IF_ERROR(AddLabels(options, request));
  RETURN_IF_ERROR(CheckChanges(request));
  return request;
}

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  ASSIGN_OR_RETURN(const v1::UpdateVmRequest request, RequestOf(options));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::Vm vm, client->UpdateVm(request));
  invocation.Note(fmt::format("vm '{}' is changed, as its next start will show", vm.name()));
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmUpdate(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  VmConfig& changes = options->changes;
  arguments.Positional("NAME", options->name, "The VM; it must be off");
  arguments.Number("--cpus", "N", 1, changes.cpus, "Virtual CPUs");
  arguments.Size("--memory", changes.memory, "Memory");
  arguments.Text("--kernel", "KERNEL", changes.kernel, "The kernel that it boots");
  arguments.Text("--boot-args", "TEXT", changes.boot_args,
                 "Appended to the kernel's command line; '' for nothing");
  arguments.Pairs("--label", changes.labels, "Set a label (repeatable)");
  arguments.PairList("--labels", changes.labels, "Set several labels (repeatable)");
  arguments.Repeated("--remove-label", "KEY", options->remove_labels,
                     "Take a label away (repeatable)");
  arguments.Choice("--restart", RestartWords(), changes.restart,
                   "Whether it is started again when it ends by itself");
  arguments.Switch("autostart", changes.autostart,
                   "Start it whenever the daemon starts and finds it off, or not");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
