#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// Directories by descriptor. The agent is root and the guest's programs may swap any name for a
// symbolic link at any time: what is opened here is never reached through one.
namespace ember::agent {

// "/a//b/./c" as a, b, c.
std::vector<std::string> ComponentsOf(std::string_view path);

// The directory `name` in the directory `parent`.
absl::StatusOr<UniqueFd> OpenFolderAt(int parent, const std::string& name);

// The directory at an absolute path, which has no links in it (realpath(3) made it).
absl::StatusOr<UniqueFd> OpenFolder(std::string_view path);

// The directory some components below `top`; those that are missing are made with `mode`.
absl::StatusOr<UniqueFd> MakeFolders(int top, std::span<const std::string> components, mode_t mode);

// What a directory holds, without "." and "..".
absl::StatusOr<std::vector<std::string>> NamesIn(int folder);

// Whether a file system is mounted at the open directory.
bool IsMountPoint(int folder);

}  // namespace ember::agent
