#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "state/volume.h"

// The files of data volumes: raw and sparse, `<state-dir>/volumes/<name>.img`. Each function
// blocks.
namespace ember::daemon {

std::filesystem::path VolumePath(const std::filesystem::path& state_dir, std::string_view name);

// OK for a size that a volume with this file system can have, and a file system that there is ("",
// "ext4").
absl::Status CheckVolume(const state::NewVolume& volume);

// Makes the file, with an empty ext4 in it where that is asked for; on disk when this returns. What
// a daemon that was killed has left of it is replaced: the row was committed before. After an error
// nothing is left.
absl::Status MakeVolumeFile(const std::filesystem::path& state_dir, const state::NewVolume& volume,
                            const Cancellation& cancellation);

// OK when it is not there.
absl::Status RemoveVolumeFile(const std::filesystem::path& state_dir, std::string_view name);

// The names of the volumes that have a file.
std::vector<std::string> ListVolumeFiles(const std::filesystem::path& state_dir);

}  // namespace ember::daemon
