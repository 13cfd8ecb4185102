#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_selection.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/proto_duration.h"

namespace ember::cli {
namespace {

struct Options {
  VmSelection selection;
  bool force = false;
  std::optional<absl::Duration> grace;
};

std::vector<v1::StopVmRequest> RequestsFor(const std::vector<std::string>& names,
                                           const Options& options) {
  std::vector<v1::StopVmRequest> requests;
  for (const std::string& name : names) {
    v1::StopVmRequest& request = requests.emplace_back();
    request.set_name(name);
    request.set_force(options.force);
    if (options.grace.has_value()) *request.mutable_grace() = ToProto(*options.grace);
  }
  return requests;
}

// Every VM is tried; all errors but the first, which is the command's, are printed here.
absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  RETURN_IF_ERROR(CheckSelection(options.selection));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const auto names, SelectVms(*client, options.selection, AllMeans::kNotStopped));
  Progress progress(invocation.progress_style());
  if (names.size() == 1) progress.Step("stopping vm '" + names[0] + "'");
  if (names.size() > 1) progress.Step("stopping " + std::to_string(names.size()) + " vms");
  auto results = client->StopVms(RequestsFor(names, options), {.progress = &progress});
  progress.Clear();
  std::vector<v1::Vm> stopped;
  absl::Status failure;
  for (const auto& result : results) {
    if (result.ok()) {
      stopped.push_back(*result);
    } else if (failure.ok()) {
      failure = result.status();
    } else {
      PrintError(result.status());
    }
  }
  if (invocation.format() == Format::kJson) {
    if (options.selection.all) invocation.Print(JsonText(stopped));
    if (!options.selection.all && !stopped.empty()) invocation.Print(JsonText(stopped[0]));
  } else {
    for (const v1::Vm& vm : stopped) invocation.Print(vm.name() + "\n");
  }
  if (names.empty()) invocation.Note("no VM runs");
  if (!failure.ok()) return failure;
  return kDone;
}

}  // namespace

Action DefineVmStop(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->selection.name, "The VM", Need::kOptional);
  arguments.Flag("--all", options->selection.all, "Every VM that runs");
  arguments.Flag("--force", options->force, "Kill it instead of asking it to shut down");
  arguments.Duration("--grace", options->grace,
                     "How long it may take to shut down before it is killed (default 20)");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
