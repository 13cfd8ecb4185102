#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// The path of an entry within the root: without leading or doubled slashes and "." components, so
// "/etc//x", "./etc/x" and "etc/x" are one ("" is the root itself). InvalidArgument, naming the
// entry, when a component is ".." or longer than 255 bytes, or the whole is longer than 4095.
absl::StatusOr<std::string> NormalizePath(std::string_view raw);

}  // namespace ember::images
