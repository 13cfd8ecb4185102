#include "backends/hypervisor/tagged_kill.h"

#include <signal.h>
#include <unistd.h>

#include "backends/hypervisor/process_tags.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

absl::StatusOr<std::vector<ProcessIdentity>> MembersOf(const MachineHandle& handle) {
  ASSIGN_OR_RETURN(const std::vector<TaggedProcess> tagged, FindTagged(handle.installation_id));
  std::vector<ProcessIdentity> members;
  for (const TaggedProcess& process : tagged) {
    if (process.machine_id == handle.machine_id && process.identity.pid != getpid()) {
      members.push_back(process.identity);
    }
  }
  return members;
}

absl::Status Kill(const ProcessIdentity& identity, const MachineHandle& handle,
                  const Cancellation& cancellation) {
  auto process = Process::Open(identity);
  if (absl::IsNotFound(process.status())) return absl::OkStatus();
  RETURN_IF_ERROR(process.status());
  // The pidfd pins the process, so what the tag says now holds for what the signal hits.
  if (MachineOf(identity, handle.installation_id) != handle.machine_id) return absl::OkStatus();
  RETURN_IF_ERROR(process->Signal(SIGKILL));
  return process->Wait(cancellation).status();
}

}  // namespace

absl::Status KillTagged(const MachineHandle& handle, const Cancellation& cancellation) {
  if (handle.machine_id.empty()) return InvalidArgument("the machine id is empty");
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<ProcessIdentity> members, MembersOf(handle));
    if (members.empty()) return absl::OkStatus();
    for (const ProcessIdentity& member : members) {
      RETURN_IF_ERROR(Kill(member, handle, cancellation));
    }
    RETURN_IF_ERROR(cancellation.Check("end the processes of machine " + handle.machine_id));
  }
}

}  // namespace ember::hypervisor
