#include <memory>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_calls.h"
#include "cli/json.h"

namespace ember::cli {

Action DefineImageTag(Arguments& arguments) {
  auto request = std::make_shared<v1::TagImageRequest>();  // shared: the action outlives this call
  auto move = std::make_shared<bool>(false);               // the same
  arguments.Positional("NAME", *request->mutable_name(), "The image, by a name or its id");
  arguments.Positional("NEW", *request->mutable_new_name(), "One more name for it");
  arguments.Flag("--move", *move, "Take the name from the image that has it");
  return [request, move](Invocation& invocation) -> absl::StatusOr<int> {
    request->set_move(*move);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const v1::Image image, TagImage(*client, *request));
    invocation.Print(invocation.format() == Format::kJson ? JsonText(image) : image.name() + "\n");
    return kDone;
  };
}

}  // namespace ember::cli
