#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>

#include "guest-agent/resource_limit.h"

namespace ember::agent {

// What a new process did last when it failed.
enum class ChildStep { kNone, kTerminal, kStreams, kLimit, kUser, kFolder, kInterpreter, kExec };

// All that a new process needs between clone(2) and execve(2), made before: in between it shares
// its parent's memory and may only make system calls. The arrays end with a null pointer. Borrowed.
struct ChildPlan {
  char* const* programs = nullptr;  // tried in order
  char* const* argv = nullptr;
  char* const* env = nullptr;
  char* const* folders = nullptr;  // tried in order; none: stay
  std::array<int, 3> streams{};    // numbers from 3 up
  bool terminal = false;           // streams[0] becomes the controlling terminal
  rlimit files{};
  const char* oom_score = nullptr;        // for /proc/self/oom_score_adj; null: stays
  const ResourceLimit* limits = nullptr;  // set while we still have the right to raise them
  size_t limit_count = 0;
  bool change_umask = false;
  mode_t umask = 0;
  bool change_user = false;
  bool change_groups = false;
  uid_t uid = 0;
  gid_t gid = 0;
  const gid_t* groups = nullptr;
  size_t group_count = 0;

  // Written by the child, read by the parent once clone has returned.
  volatile ChildStep failed = ChildStep::kNone;
  volatile int error = 0;            // errno value
  volatile size_t failed_limit = 0;  // of kLimit, which of `limits`
};

// The child's whole life, as clone(2) calls it: `plan` is a ChildPlan. Starts a session, takes its
// streams, user and folder, and executes the first program that can be; never returns.
int RunChild(void* plan);

}  // namespace ember::agent
