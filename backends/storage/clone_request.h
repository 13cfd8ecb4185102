#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"

namespace ember::storage {

// `source` is a regular file and a clone of `size_bytes` holds it: at least as large, in whole
// sectors of 512 bytes. Errors: NotFound, InvalidArgument.
absl::Status CheckCloneRequest(const std::filesystem::path& source, uint64_t size_bytes);

}  // namespace ember::storage
