#pragma once

#include "absl/status/status.h"
#include "backends/hypervisor/machine_spec.h"
#include "base/cancellation.h"

namespace ember::hypervisor {

// Ends every process tagged with the handle's installation and machine (SIGKILL through a pidfd,
// the tag looked at again first) and waits until all are gone, also those that appear meanwhile.
// The process of the caller is never ended. InvalidArgument when an id is empty. Blocks within
// `cancellation`.
absl::Status KillTagged(const MachineHandle& handle, const Cancellation& cancellation);

}  // namespace ember::hypervisor
