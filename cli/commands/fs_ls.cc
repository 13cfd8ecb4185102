#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/file_text.h"
#include "cli/commands/guest_path.h"
#include "cli/exit_code.h"
#include "cli/file_calls.h"

namespace ember::cli {

Action DefineFsLs(Arguments& arguments) {
  auto place = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("VM:PATH", *place, "The directory; a relative path is below /root");
  return [place](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const CopyPlace at, ParseGuestPath(*place));
    v1::ListDirectoryRequest request;
    request.set_vm(at.vm);
    request.set_path(at.path);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    ASSIGN_OR_RETURN(const auto files, ListDirectory(*client, request));
    const bool json = invocation.format() == Format::kJson;
    invocation.Print(json ? FileJsonText(files) : FileTableText(files));
    return kDone;
  };
}

}  // namespace ember::cli
