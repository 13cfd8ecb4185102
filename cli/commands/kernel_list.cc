#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/kernel_text.h"
#include "cli/exit_code.h"
#include "cli/kernel_json.h"

namespace ember::cli {

Action DefineKernelList(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListKernelsResponse list, client->ListKernels());
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(list) : KernelTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
