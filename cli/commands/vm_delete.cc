#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_selection.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  VmSelection selection;
  bool force = false;
};

// Every VM is tried; all errors but the first, which is the command's, are printed here.
absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  RETURN_IF_ERROR(CheckSelection(options.selection));
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const auto names, SelectVms(*client, options.selection, AllMeans::kEvery));
  std::vector<v1::DeleteVmRequest> requests(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    requests[i].set_name(names[i]);
    requests[i].set_force(options.force);
  }
  Progress progress(invocation.progress_style());
  if (names.size() == 1) progress.Step("deleting vm '" + names[0] + "'");
  if (names.size() > 1) progress.Step("deleting " + std::to_string(names.size()) + " vms");
  const auto results = client->DeleteVms(requests, {.progress = &progress});
  progress.Clear();
  std::vector<std::string> deleted;
  absl::Status failure;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) {
      deleted.push_back(names[i]);
    } else if (failure.ok()) {
      failure = results[i].status();
    } else {
      PrintError(results[i].status());
    }
  }
  if (invocation.format() == Format::kJson) {
    invocation.Print(DeletedJsonText(deleted));
  } else {
    for (const std::string& name : deleted) invocation.Print(name + "\n");
  }
  if (names.empty()) invocation.Note("there is no VM");
  if (!failure.ok()) return failure;
  return kDone;
}

}  // namespace

Action DefineVmDelete(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("NAME", options->selection.name, "The VM", Need::kOptional);
  arguments.Flag("--all", options->selection.all, "Every VM");
  arguments.Flag("--force", options->force,
                 "Also one that runs or has snapshots, and these with it");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
