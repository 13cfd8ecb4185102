#include <fcntl.h>

#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/base64.h"
#include "guest-agent/json/operation.h"
#include "guest-agent/json/regular_file.h"
#include "guest-agent/json/request.h"

namespace ember::agent {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;

}  // namespace

absl::StatusOr<BlockingWork> PlanReadFile(const nlohmann::json& request) {
  ASSIGN_OR_RETURN(std::string path, RequiredPath(request, "path"));
  return [path = std::move(path)](const Cancellation& cancellation) -> absl::StatusOr<Response> {
    const auto content =
        ReadRegularFile(AT_FDCWD, path, LinkPolicy::kFollow, kMostBytes, cancellation);
    if (!content.ok()) return Annotate(content.status(), path);
    return Response{{"data", EncodeBase64(*content)}};
  };
}

}  // namespace ember::agent
