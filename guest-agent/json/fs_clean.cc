#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/request.h"
#include "guest-agent/json/scratch_files.h"

namespace ember::agent {

absl::StatusOr<BlockingWork> PlanFsClean(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::vector<std::string> globs, RequiredList(request, "globs"));
  return [globs = std::move(globs)](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    Response removed = Response::array();
    RETURN_IF_ERROR(ForEachScratchFile(globs, cancellation, [&removed](const ScratchFile& file) {
      if (unlinkat(file.folder, file.name.c_str(), 0) == 0) removed.push_back(file.path);
      return absl::OkStatus();
    }));
    return Response{{"removed", std::move(removed)}};
  };
}

}  // namespace ember::agent
