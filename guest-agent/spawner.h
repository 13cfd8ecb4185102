#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "guest-agent/account.h"
#include "guest-agent/oom_protection.h"
#include "guest-agent/resource_limit.h"

namespace ember::agent {

struct TerminalSize {
  uint16_t rows = 24;
  uint16_t columns = 80;

  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

// Where a process's standard input comes from.
enum class InputSource { kPipe, kNull };

struct ProcessSpec {
  std::vector<std::string> argv;  // argv[0] with a slash is a path, else it is searched in `path`
  std::vector<std::string> env;   // "NAME=value" each
  std::string path;               // folders separated by ':'
  std::vector<std::string> folders;        // the first that can be entered is the working directory
  std::optional<Account> account;          // nothing: who we are
  std::optional<TerminalSize> terminal;    // a pseudo-terminal instead of pipes
  InputSource input = InputSource::kPipe;  // without a terminal
  std::optional<mode_t> umask;             // nothing: ours
  std::vector<ResourceLimit> limits;       // each at most once
};

// A process that has been executed, and our ends of its streams: non-blocking and close-on-exec.
struct SpawnedProcess {
  pid_t pid = 0;   // leads a session and a process group of its own
  UniqueFd input;  // invalid with InputSource::kNull
  UniqueFd output;
  UniqueFd error;  // invalid with a terminal
};

// Starts the processes of sessions. The child borrows our memory until it executes its program
// (CLONE_VM | CLONE_VFORK): the cost does not grow with our size, and what went wrong in it is
// known here at once. Lives on one thread of a process whose other threads, if any, never spawn.
class Spawner {
 public:
  // Prepares this process: standard descriptors open, every other descriptor close-on-exec, no
  // signal ignored, the limit of descriptors raised (children get the old one back). Call it once,
  // early. EPIPE comes as a result, not as a signal, from then on: SIGPIPE is blocked.
  static absl::StatusOr<std::unique_ptr<Spawner>> Create();
  // Puts the limit of descriptors back.
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  // Starts a process in a session and a process group of its own, with default signals. The caller
  // reaps it. After a failure nothing is left. Errors: NotFound (program, working directory),
  // FailedPrecondition (they exist but can't be used), PermissionDenied (a limit),
  // ResourceExhausted (no processes, memory, descriptors or terminals), InvalidArgument (an empty
  // argv, NUL bytes).
  absl::StatusOr<SpawnedProcess> Spawn(const ProcessSpec& spec);

 private:
  explicit Spawner(rlimit child_files);

  const rlimit child_files_;
  const OomProtection oom_protection_;
  const std::unique_ptr<char[]> stack_;  // the child's, until it executes
};

}  // namespace ember::agent
