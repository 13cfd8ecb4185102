#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/host_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineDaemonStatus(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Host host, client->GetHost({.limit = absl::Seconds(10)}));
    if (invocation.format() == Format::kJson) {
      invocation.Print(JsonText(host));
    } else {
      invocation.Print("emberhostd is running\n" + HostText(host));
    }
    return kDone;
  };
}

}  // namespace ember::cli
