#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace ember {

// The whole content of a file, also of one in /proc that reports no size. At most 64 MiB, else
// ResourceExhausted.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path);

// Replaces `path` in one step: a temporary file next to it, fsync, rename, fsync of the directory.
// After a failure the old file is as it was and nothing else is left.
absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode);

// Makes `path` and its missing parents; those it makes have `mode`.
absl::Status MakeDirectories(const std::filesystem::path& path, mode_t mode);

// Removes `path` and all below it, without following symbolic links. An absent path is OK.
absl::Status RemoveTree(const std::filesystem::path& path);

// Takes an exclusive lock (flock) on the file `path`, which is made if needed. Held until the
// descriptor is closed, so also until the process ends in any way. AlreadyExists when another
// process holds it.
absl::StatusOr<UniqueFd> LockFile(const std::filesystem::path& path);

// The kernel's random id of this boot of the host; pids and start times mean something only within
// it.
absl::StatusOr<std::string> HostBootId();

// A random version-4 UUID in the usual form.
absl::StatusOr<std::string> RandomUuid();

}  // namespace ember
