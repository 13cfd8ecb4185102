#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"
#include "cli/volume_calls.h"

namespace ember::cli {

Action DefineVolumeDelete(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("NAME", *name, "The volume; what is on it is lost");
  return [name](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    RETURN_IF_ERROR(DeleteVolume(*client, *name));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? DeletedJsonText({*name}) : *name + "\n");
    return kDone;
  };
}

}  // namespace ember::cli
