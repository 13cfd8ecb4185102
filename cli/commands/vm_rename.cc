#include <fmt/format.h>

#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {
namespace {

struct Options {
  std::string old_name;
  std::string new_name;
};

absl::StatusOr<int> Run(const Options& options, Invocation& invocation) {
  v1::RenameVmRequest request;
  request.set_name(options.old_name);
  request.set_new_name(options.new_name);
  ASSIGN_OR_RETURN(const auto client, invocation.Connect());
  ASSIGN_OR_RETURN(const v1::Vm vm, client->RenameVm(request));
  invocation.Note(fmt::format("vm '{}' is now '{}'", options.old_name, vm.name()));
  invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : vm.name() + "\n");
  return kDone;
}

}  // namespace

Action DefineVmRename(Arguments& arguments) {
  auto options = std::make_shared<Options>();  // shared: the action outlives this call
  arguments.Positional("OLD", options->old_name, "The VM");
  arguments.Positional("NEW", options->new_name, "1 to 63 of a-z, 0-9 and '-'");
  return [options](Invocation& invocation) { return Run(*options, invocation); };
}

}  // namespace ember::cli
