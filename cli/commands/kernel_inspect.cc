#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/kernel_text.h"
#include "cli/exit_code.h"
#include "cli/kernel_calls.h"
#include "cli/kernel_json.h"

namespace ember::cli {

Action DefineKernelInspect(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("NAME", *name, "The kernel");
  return [name](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Kernel kernel, GetKernel(*client, *name));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(kernel) : KernelText(kernel));
    return kDone;
  };
}

}  // namespace ember::cli
