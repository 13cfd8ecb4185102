#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineVmInspect(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("NAME", *name, "The VM");
  return [name](Invocation& invocation) -> absl::StatusOr<int> {
    v1::GetVmRequest get;
    get.set_name(*name);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Vm vm, client->GetVm(get));
    invocation.Print(invocation.format() == Format::kJson ? JsonText(vm) : VmText(vm));
    return kDone;
  };
}

}  // namespace ember::cli
