#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/image_text.h"
#include "cli/exit_code.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineImageList(Arguments&) {
  return [](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::ListImagesResponse list, client->ListImages());
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? JsonText(list) : ImageTableText(list));
    return kDone;
  };
}

}  // namespace ember::cli
