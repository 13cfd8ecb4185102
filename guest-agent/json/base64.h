#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Base 64 of RFC 4648, section 4: the standard alphabet, padded, nothing else.
namespace ember::agent {

std::string EncodeBase64(std::string_view bytes);

// InvalidArgument for a character outside of the alphabet (white space too), missing or misplaced
// padding, and bits behind the last byte that are not zero.
absl::StatusOr<std::string> DecodeBase64(std::string_view text);

}  // namespace ember::agent
