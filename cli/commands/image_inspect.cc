#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/image_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineImageInspect(Arguments& arguments) {
  auto name = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("NAME", *name, "The image, by a name or its id");
  return [name](Invocation& invocation) -> absl::StatusOr<int> {
    v1::GetImageRequest request;
    request.set_name(*name);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Image image, client->GetImage(request));
    invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : ImageText(image));
    return kDone;
  };
}

}  // namespace ember::cli
