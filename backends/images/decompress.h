#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ember::images {

// The content of one gzip, xz, zstd, bzip2, lzma or LZ4 (also legacy, as kernels use it) stream,
// which is recognised by its first bytes. InvalidArgument when it is none of these or is damaged,
// ResourceExhausted when there is more than `max_bytes` in it.
absl::StatusOr<std::string> Decompress(std::string_view stream, uint64_t max_bytes);

}  // namespace ember::images
