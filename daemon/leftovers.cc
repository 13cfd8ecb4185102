#include "daemon/leftovers.h"

#include <signal.h>

#include <vector>

#include "backends/hypervisor/process_tags.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "base/subprocess.h"

namespace ember::daemon {

absl::Status EndLeftProcesses(std::string_view installation_id, std::string_view machine_id) {
  ASSIGN_OR_RETURN(const std::vector<hypervisor::TaggedProcess> tagged,
                   hypervisor::FindTagged(installation_id));
  for (const hypervisor::TaggedProcess& process : tagged) {
    if (process.machine_id != machine_id) continue;
    auto leftover = Process::Open(process.identity);
    if (absl::IsNotFound(leftover.status())) continue;
    RETURN_IF_ERROR(leftover.status());
    RETURN_IF_ERROR(leftover->Signal(SIGKILL));
  }
  return absl::OkStatus();
}

absl::Status RemoveLeftDirectory(const std::filesystem::path& vms_dir,
                                 const std::filesystem::path& dir) {
  if (dir.parent_path() != vms_dir || dir.filename().empty()) {
    return Internal("{} does not lie in {}", dir.native(), vms_dir.native());
  }
  return RemoveTree(dir);
}

}  // namespace ember::daemon
