#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backends/hypervisor/backend.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/reply.h"
#include "daemon/agent_dial.h"
#include "daemon/exec_session.h"

// The process that a VM is there for (`ember vm create --run`): its image's entrypoint, detached
// under the agent as "main".
namespace ember::daemon {

// Whether it was started just now.
enum class MainStart { kStarted, kWasThere };

// Starts it, unless this boot of the guest has had it already: the agent remembers it after its
// end, too, so a daemon that was restarted asks again without harm. Any thread; the answer comes on
// `io`.
void StartMainProcess(EventLoop& io, ReachedVm vm, ExecCommand command, Reply<MainStart> reply);

// Sends it `signal` and waits for its end, within `cancellation`; one that has ended, was never
// started, or does not end is not an error. Blocks: not on `io`.
void StopMainProcess(EventLoop& io, const std::string& vm_name,
                     std::shared_ptr<hypervisor::Machine> machine, uint32_t signal,
                     const Cancellation& cancellation);

}  // namespace ember::daemon
