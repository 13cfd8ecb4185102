#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineImageDelete(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  auto force = std::make_shared<bool>(false);   // the same
  arguments.Positional("NAME", *name, "The image, by a name or its id");
  arguments.Flag("--force", *force, "Delete the VMs that were made from it, running ones too");
  return [name, force](Invocation& invocation) -> absl::StatusOr<int> {
    v1::DeleteImageRequest request;
    request.set_name(*name);
    request.set_force(*force);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    RETURN_IF_ERROR(client->DeleteImage(request));
    invocation.Print(invocation.format() == Format::kJson ? DeletedJsonText({*name})
                                                          : *name + "\n");
    return kDone;
  };
}

}  // namespace ember::cli
