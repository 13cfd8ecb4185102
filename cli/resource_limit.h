#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "ember/v1/vm.pb.h"

namespace ember::cli {

// "NAME=SOFT[:HARD]" as somebody typed it: "nofile=1024:4096", "core=unlimited". Without HARD both
// are SOFT. InvalidArgument says what is wrong; the guest knows which names there are.
absl::StatusOr<v1::ResourceLimit> ParseResourceLimit(std::string_view text);

}  // namespace ember::cli
