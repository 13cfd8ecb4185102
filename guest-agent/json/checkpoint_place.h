#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::agent {

// The fields that task_checkpoint and task_restore share.
struct CheckpointPlace {
  std::string workspace;
  std::string root;
  std::vector<std::string> tmp_globs;
};

absl::StatusOr<CheckpointPlace> CheckpointPlaceOf(const nlohmann::json& request);

}  // namespace ember::agent
