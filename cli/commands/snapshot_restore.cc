#include <memory>
#include <string>

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/fork_calls.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string vm;
  std::string name;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::RestoreSnapshotRequest request;
  request.set_vm(options.vm);
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  Progress progress(invocation.progress_style());
  progress.Step(fmt::format("restoring snapshot '{}' of vm '{}'", options.name, options.vm));
  ASSIGN_OR_RETURN(const v1::Vm vm, RestoreSnapshot(*client, request, {.progress = &progress}));
  progress.Clear();
  invocation.Note(fmt::format("vm '{}' has the disk of snapshot '{}'", vm.name(), options.name));
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineSnapshotRestore(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM, which is off; what its disk has now is lost");
  arguments.Positional("NAME", options->name, "The snapshot");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
