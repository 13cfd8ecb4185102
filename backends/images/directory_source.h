#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/images/entry_source.h"

namespace ember::images {

// Starts reading a folder of the host as a root filesystem: owners, modes, times, links, devices,
// holes and attributes as they are there. Symbolic links are not followed and mounted filesystems
// below are not entered (their mount points come as empty folders). Names come sorted. Errors name
// the path; a file that we may not read is one.
absl::StatusOr<std::unique_ptr<EntrySource>> OpenDirectorySource(const std::filesystem::path& path);

}  // namespace ember::images
