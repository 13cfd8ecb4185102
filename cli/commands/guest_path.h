#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/copy_place.h"

namespace ember::cli {

// "VM:PATH" as it is typed for `ember fs`. InvalidArgument for anything else.
absl::StatusOr<CopyPlace> ParseGuestPath(const std::string& text);

}  // namespace ember::cli
