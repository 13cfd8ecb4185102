#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/subprocess.h"

// The processes of the guest, as /proc shows them. Thread-safe; may block.
namespace ember::agent {

// Ascending.
std::vector<pid_t> AllPids();

// The words of a process's command line; none for a kernel thread, a zombie or one that is gone.
std::vector<std::string> CommandLineOf(pid_t pid);

// Its working directory; empty when it can't be read. A removed one is named as it was.
std::string WorkingDirectoryOf(pid_t pid);

// Its resident memory in KiB; 0 when it can't be read.
uint64_t ResidentKib(pid_t pid);

// Holds on those that `wanted` chooses by pid; never this process or process 1. Looked at once more
// when the hold is there, so that it is no other process that got the pid meanwhile.
std::vector<Process> HoldProcesses(const std::function<bool(pid_t)>& wanted);

// Sends `signal` to each, then waits until all have ended or `grace` has passed. Cancelled when
// nobody wants it any more.
absl::Status EndProcesses(const std::vector<Process>& processes, int signal, absl::Duration grace,
                          const Cancellation& cancellation);

}  // namespace ember::agent
