#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace ember::images {

// The status of a libext2fs call (errcode_t is a long; below 256 it is an errno). A host that is
// full and a filesystem that is full are both ResourceExhausted; IsFilesystemFull tells the latter.
absl::Status Ext4Status(long error, const std::filesystem::path& path, std::string_view what);

// The filesystem that is being written has no block or inode left: a larger one is needed.
absl::Status FilesystemFull(const std::filesystem::path& path);
bool IsFilesystemFull(const absl::Status& status);

}  // namespace ember::images
