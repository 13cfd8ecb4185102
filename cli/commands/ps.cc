#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/process_text.h"
#include "cli/exit_code.h"
#include "cli/process_calls.h"

namespace ember::cli {

Action DefinePs(Arguments& arguments) {
  auto vm = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("VM", *vm, "The VM");
  return [vm](Invocation& invocation) -> absl::StatusOr<int> {
    v1::ListProcessesRequest request;
    request.set_vm(*vm);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const auto list, ListProcesses(client->channel(), request));
    invocation.Print(invocation.format() == Format::kJson ? ProcessJsonText(list)
                                                          : ProcessTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
