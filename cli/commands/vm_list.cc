#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/vm_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineVmList(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListVmsResponse list, client->ListVms());
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(list) : VmTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
