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

// Makes names durable that were added to a directory or taken from it.
absl::Status SyncDirectory(const std::filesystem::path& path);

// Makes `path` and its missing parents; those it makes have `mode`.
absl::Status MakeDirectories(const std::filesystem::path& path, mode_t mode);

// Removes `path` and all below it, without following symbolic links. An absent path is OK, and so
// is an entry that somebody else removes meanwhile.
absl::Status RemoveTree(const std::filesystem::path& path);

// Puts on disk which names there are in the directory `path`.
absl::Status SyncDirectory(const std::filesystem::path& path);

// Gives the directory `from` the name `to` on the same filesystem, durably. Done already (`to` is
// there and `from` is not) is OK; with both there AlreadyExists, and nothing is changed.
absl::Status MoveDirectory(const std::filesystem::path& from, const std::filesystem::path& to);

// Takes an exclusive lock (flock) on the file `path`, which is made if needed. Held until the
// descriptor is closed, so also until the process ends in any way. AlreadyExists when another
// process holds it.
absl::StatusOr<UniqueFd> LockFile(const std::filesystem::path& path);

// The kernel's random id of this boot of the host; pids and start times mean something only within
// it.
absl::StatusOr<std::string> HostBootId();

// A random version-4 UUID in the usual form (RFC 9562, section 5.4).
absl::StatusOr<std::string> RandomUuid();

// A version-7 UUID (RFC 9562, section 5.7): those of later milliseconds sort behind, so that rows
// that are made together lie together in an index.
absl::StatusOr<std::string> TimeOrderedUuid();

}  // namespace ember
