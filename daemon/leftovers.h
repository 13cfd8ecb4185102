#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

// What belongs to this installation and to no row: a crash of the daemon, or a delete that failed,
// may leave it. Removing it is safe, since every row is known when it is looked for.
namespace ember::daemon {

// Ends every process that carries the tags of this installation and of `machine_id`
// (process_tags.h); each is looked at again under its pidfd before it is signalled. OK when there
// is none.
absl::Status EndLeftProcesses(std::string_view installation_id, std::string_view machine_id);

// Removes a directory of `vms_dir`, with all that is in it.
absl::Status RemoveLeftDirectory(const std::filesystem::path& vms_dir,
                                 const std::filesystem::path& dir);

}  // namespace ember::daemon
