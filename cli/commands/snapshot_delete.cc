#include <memory>
#include <string>

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
  v1::DeleteSnapshotRequest request;
  request.set_vm(options.vm);
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  RETURN_IF_ERROR(DeleteSnapshot(*client, request));
  const bool json = invocation.format() == Format::kJson;
  invocation.Print(json ? DeletedJsonText({options.name}) : options.name + "\n");
  return kDone;
}

}  // namespace

Action DefineSnapshotDelete(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("VM", options->vm, "The VM");
  arguments.Positional("NAME", options->name, "The snapshot");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
