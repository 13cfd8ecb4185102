#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// "sha256:<64 hex digits>" over the bytes of a file, as sha256sum(1) prints it. Holes are not read.
absl::StatusOr<std::string> DigestFile(const std::filesystem::path& path, const ProgressSink& sink,
                                       const Cancellation& cancellation);

// The same over bytes in memory.
std::string DigestBytes(std::string_view bytes);

}  // namespace ember::images
