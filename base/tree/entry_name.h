#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ember::tree {

// The components of an entry's name, which view it; none for the folder that all is in ("./").
// PermissionDenied for a name that leads out of its folder (absolute, or with ".."),
// InvalidArgument for an empty one and for one with a NUL, over kMaxName bytes or kMaxDepth
// components.
absl::StatusOr<std::vector<std::string_view>> SplitName(std::string_view name);

// A name that is exactly one component.
absl::Status CheckComponent(std::string_view name);

}  // namespace ember::tree
