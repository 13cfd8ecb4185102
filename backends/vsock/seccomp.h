#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace ember::vsock {

// A list of the system calls a process may still make; any other one ends the process at once
// (SIGSYS). See seccomp(2).
class SeccompFilter {
 public:
  SeccompFilter();

  SeccompFilter& Allow(std::initializer_list<long> calls);
  // Allows `call` when its argument, masked, has this value. Only the lower 32 bits count.
  SeccompFilter& AllowIf(long call, unsigned argument, uint32_t mask, uint32_t value);

  // Puts it into force for this thread, which must be the only one, and its children, for ever.
  // Sets PR_SET_NO_NEW_PRIVS first. Does nothing but that in a build with sanitizers, which make
  // calls of their own.
  absl::Status Install() const;

 private:
  std::vector<sock_filter> program_;
};

// What the worker needs: to move data between sockets, guest memory and eventfds, to connect to
// Unix sockets and to take over new rings and mappings (never executable). To be made in the
// process that gets it.
SeccompFilter WorkerFilter();
// What the keeper needs besides: to fork a worker, to wait for it, to remove its socket files.
SeccompFilter KeeperFilter();

}  // namespace ember::vsock
