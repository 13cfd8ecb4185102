#include "guest-agent/json/checkpoint_place.h"

#include "base/status_macros.h"
#include "guest-agent/json/request.h"

namespace ember::agent {

absl::StatusOr<CheckpointPlace> CheckpointPlaceOf(const nlohmann::json& request) {
  CheckpointPlace place;
  ASSIGN_OR_RETURN(place.workspace, OptionalPath(request, "workspace", "/home/ubuntu/workspace"));
  ASSIGN_OR_RETURN(place.root,
                   OptionalPath(request, "checkpoint_root", "/var/lib/emberd/checkpoints"));
  ASSIGN_OR_RETURN(place.tmp_globs,
                   OptionalList(request, "tmp_globs", {"/tmp/thermite-*", "/tmp/agent-*"}));
  return place;
}

}  // namespace ember::agent
