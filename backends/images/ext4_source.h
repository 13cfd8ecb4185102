#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/images/entry_source.h"

namespace ember::images {

// Starts reading a raw ext2, ext3 or ext4 file as a root filesystem: owners, modes, times, links,
// devices, holes, attributes and ACLs as they are there; folders before what is in them, names
// sorted. An empty lost+found is left out: every new filesystem gets its own. The file is only
// read. FailedPrecondition when it was not unmounted cleanly (its journal would have to be
// replayed), InvalidArgument, naming the file, when it is no such filesystem or is damaged.
absl::StatusOr<std::unique_ptr<EntrySource>> OpenExt4Source(const std::filesystem::path& path);

}  // namespace ember::images
