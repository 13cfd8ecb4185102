#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/base64.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/replaced_file.h"
#include "guest-agent/json/request.h"

namespace ember::agent {

absl::StatusOr<BlockingWork> PlanWriteFile(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::string path, RequiredPath(request, "path"));
  ASSIGN_OR_RETURN(std::string data, RequiredString(request, "data"));
  return [path = std::move(path),
          data = std::move(data)](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const std::string content, DecodeBase64(data));
    if (const absl::Status replaced = ReplaceFile(path, content, cancellation); !replaced.ok()) {
      return Annotate(replaced, path);
    }
    return Response{{"ok", true}};
  };
}

}  // namespace ember::agent
