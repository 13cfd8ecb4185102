#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace ember::images {

// OK when the filesystem of `dir` has that many bytes free for us, else ResourceExhausted (reason
// DISK_FULL) that says how much `what` needs, how much there is and how to make room. Also OK when
// that can't be told: then whoever writes will see.
absl::Status CheckDiskRoom(const std::filesystem::path& dir, uint64_t bytes, std::string_view what);

}  // namespace ember::images
