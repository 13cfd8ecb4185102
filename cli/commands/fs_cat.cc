#include <csignal>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/guest_path.h"
#include "cli/exit_code.h"
#include "cli/tree_copy.h"

namespace ember::cli {

Action DefineFsCat(Arguments& arguments) {
  auto place = std::make_shared<std::string>();  // shared: the action outlives this call
  arguments.Positional("VM:PATH", *place, "The file; a relative path is below /root");
  return [place](Invocation& invocation) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const CopyPlace at, ParseGuestPath(*place));
    ::signal(SIGPIPE, SIG_IGN);
    ASSIGN_OR_RETURN(const auto client, invocation.Connect());
    Progress progress(ProgressStyle::kNone);
    RETURN_IF_ERROR(
        CopyTree(*client, at, {CopyPlace::Kind::kStandardStream, "", ""}, {}, progress).status());
    return kDone;
  };
}

}  // namespace ember::cli
