#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// The name of an image in the store for what somebody typed: the familiar form of a reference
// ("docker.io/library/alpine:latest" is "alpine"; image_reference.h), or a plain name of 1 to 63 of
// a-z, 0-9, '.', '_' and '-' as it is. InvalidArgument says which rule broke.
absl::StatusOr<std::string> ImageName(std::string_view text);

// A name as one component of a path, and back: all but a-z, 0-9, '.', '_' and '-' as %XX, so that
// different names differ on every filesystem, and no name is ".." or hidden. Nothing for a file
// name that no name has.
std::string ImageNameToFile(std::string_view name);
std::optional<std::string> ImageNameFromFile(std::string_view file);

}  // namespace ember::images
