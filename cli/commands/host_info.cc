#include "base/size.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/host_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineHostInfo(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Host host, client->GetHost());
    invocation.Print(invocation.format() == Format::kJson ? JsonText(host) : HostText(host));
    return kDone;
  };
}

}  // namespace ember::cli
