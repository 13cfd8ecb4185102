#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/usage_text.h"
#include "cli/exit_code.h"
#include "cli/usage_calls.h"

namespace ember::cli {

Action DefineStorageUsage(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::StorageUsage usage, GetStorageUsage(*client));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? UsageJsonText(usage) : UsageText(usage));
    return kDone;
  };
}

}  // namespace ember::cli
