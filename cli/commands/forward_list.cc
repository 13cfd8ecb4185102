#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/forward_text.h"
#include "cli/exit_code.h"
#include "cli/forward_calls.h"
#include "cli/forward_json.h"

namespace ember::cli {

Action DefineForwardList(Arguments& arguments) {
  auto vm = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("VM", *vm, "Only those of this VM", Need::kOptional);
  return [vm](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListForwardsResponse list, ListForwards(*client, *vm));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(list) : ForwardTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
