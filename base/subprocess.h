#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

namespace ember {

// Which process, for ever: the kernel reuses pids, but not a pid with a start time. Valid within
// one boot of the host.
struct ProcessIdentity {
  pid_t pid = 0;
  uint64_t start_time = 0;  // clock ticks since boot: field 22 of /proc/<pid>/stat, proc(5)

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// The identity of the process that has `pid` now. NotFound when there is none (a zombie counts as
// none).
absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid);

// How a process ended. Only its parent learns that; for others both are empty ("it is gone").
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;

  // "exit code 1", "signal 9 (Killed)", "gone".
  std::string Describe() const;
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// A hold on one process through a pidfd. It never ends the process by being destroyed. Move-only.
// Not thread-safe.
class Process {
 public:
  // Takes hold of a process, ours or not. NotFound when it is gone or the pid belongs to another
  // one by now.
  static absl::StatusOr<Process> Open(ProcessIdentity identity);

  const ProcessIdentity& identity() const { return identity_; }
  // Readable once the process has ended; to be watched by an event loop. Owned here.
  int pidfd() const { return pidfd_.get(); }

  // Sends a signal to exactly this process; one that has ended is OK.
  absl::Status Signal(int signal) const;
  bool Ended() const;
  // Waits for the end and reaps a child of ours. Blocks.
  absl::StatusOr<ExitStatus> Wait(const Cancellation& cancellation);
  // How it ended, reaping it when it is a child of ours; nothing while it runs. Never blocks. Later
  // calls give the same answer.
  std::optional<ExitStatus> TryWait();

 private:
  friend absl::StatusOr<Process> Spawn(const struct SpawnOptions& options);
  Process(ProcessIdentity identity, UniqueFd pidfd)
      : identity_(identity), pidfd_(std::move(pidfd)) {}

  ProcessIdentity identity_;
  UniqueFd pidfd_;
  std::optional<ExitStatus> exit_;
};

// Whether a new process shares our session and terminal or leads a session of its own (and so
// survives our end).
enum class SessionMode { kShared, kOwn };

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] with a slash is a path, else it is searched in our PATH
  std::optional<std::vector<std::string>> env;  // "NAME=value" each; nothing: ours
  std::filesystem::path cwd;                    // empty: ours
  int stdin_fd = -1;                            // borrowed; -1 is /dev/null, for all three
  int stdout_fd = -1;
  int stderr_fd = -1;
  // Borrowed descriptors and the numbers (from 3) they have in the child. Every other descriptor is
  // closed there.
  std::vector<std::pair<int, int>> pass_fds;
  SessionMode session = SessionMode::kShared;
  // The child gets SIGKILL when the spawning *thread* ends; for tools, never for machines.
  bool die_with_parent = false;
};

// Starts a program and returns once it has really been executed: a missing or broken program is an
// error here (NotFound or PermissionDenied with the program's name), not an exit code. Signal
// handlers and mask are reset in the child.
absl::StatusOr<Process> Spawn(const SpawnOptions& options);

// What a tool that ran to its end answered.
struct ToolResult {
  ExitStatus exit;
  std::string out;  // at most 1 MiB of each; the rest is read and dropped
  std::string err;
};

struct ToolOptions {
  std::vector<std::string> argv;
  std::optional<std::vector<std::string>> env;
  std::filesystem::path cwd;
  std::string input;  // for its standard input
  // Called with each piece of its outputs as it comes, on the calling thread; for progress.
  std::function<void(std::string_view)> on_stdout;
  std::function<void(std::string_view)> on_stderr;
  // Called many times a second while it runs, on the calling thread; an error ends the tool as
  // `cancellation` does, and is the answer.
  std::function<absl::Status()> watch;
};

// Runs a tool in a process group of its own and waits for it; when `cancellation` ends it first,
// the whole group is killed and reaped. An exit code other than 0 is data, not an error. Blocks.
absl::StatusOr<ToolResult> RunTool(const ToolOptions& options, const Cancellation& cancellation);

// RunTool that also turns an exit code other than 0 into Internal("<tool> failed: exit code N:
// <last line of stderr>").
absl::StatusOr<std::string> RunToolForOutput(std::vector<std::string> argv,
                                             const Cancellation& cancellation);

// The path of an executable found in PATH (with /usr/sbin and /sbin appended, where non-root users
// lack them).
std::optional<std::filesystem::path> FindProgram(std::string_view name);

}  // namespace ember
