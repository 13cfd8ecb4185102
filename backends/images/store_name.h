#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace ember::images {

// Checks the name of an image or kernel ("kind" is the word for the message): 1 to 63 of a-z, 0-9,
// '.', '_' and '-', starting with a letter or a digit, so that it is also a safe file name.
// InvalidArgument says which rule broke.
absl::Status CheckStoreName(std::string_view kind, std::string_view name);

}  // namespace ember::images
