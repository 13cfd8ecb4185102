#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// The files that take the standard error of machine processes.
namespace ember::hypervisor {

// What such a file may grow to; BoundLog keeps its newer half.
inline constexpr uint64_t kMaxProcessLog = 1 << 20;

// Opens `path` empty, for appending, mode 0600; never through a symbolic link. The process that
// gets it as a descriptor goes on writing at the end when the file is shortened.
absl::StatusOr<UniqueFd> OpenProcessLog(const std::filesystem::path& path);

// The last lines of a log (at most 8 lines and 2 KiB), joined by "; ", without control characters:
// to be quoted in an error. Empty when there is nothing to say.
std::string LastWords(const std::filesystem::path& path);

// Shortens a log that has grown beyond `limit` bytes to its newer half, in place. Lines written
// during the call may be lost. An absent file is left alone.
void BoundLog(const std::filesystem::path& path, uint64_t limit = kMaxProcessLog);

}  // namespace ember::hypervisor
