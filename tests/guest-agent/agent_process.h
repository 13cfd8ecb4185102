#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/subprocess.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// No wait of these tests is longer; a busy machine is slow.
inline Cancellation Patience() { return Cancellation::After(absl::Seconds(60)); }

// What an agent shares with us. kOwn, for root only: its /tmp is our directory(), its /home/ubuntu
// is empty, and it sees no processes but its own.
enum class World { kShared, kOwn };

// The real emberd on Unix sockets in a directory of its own; ended with all that it started.
class AgentProcess {
 public:
  explicit AgentProcess(World world = World::kShared) {
    const UniqueFd ready = ValueOf(ListenUnix(directory_ / "ready", 0600));
    SpawnOptions options;
    options.argv = world == World::kShared ? std::vector<std::string>{EMBERD_PATH,
                                                                      "--uds",
                                                                      json_path(),
                                                                      "--ready-socket",
                                                                      directory_ / "ready",
                                                                      "--log-level",
                                                                      "warn"}
                                           : InOwnWorld();
    end_signal_ = world == World::kShared ? SIGTERM : SIGKILL;
    options.stderr_fd = STDERR_FILENO;
    options.die_with_parent = true;
    process_.emplace(ValueOf(Spawn(options)));
    REQUIRE_OK(Patience().WaitReadable(ready.get(), "readiness"));
  }
  ~AgentProcess() {
    if (!process_.has_value()) return;
    if (Stop().ok()) return;
    (void)process_->Signal(SIGKILL);
    (void)process_->Wait({});
  }

  std::string json_path() const { return (directory_ / "agent").native(); }
  std::string framed_path() const { return json_path() + "_1025"; }
  UniqueFd DialJson() const { return ValueOf(ConnectUnix(json_path())); }
  UniqueFd DialFramed() const { return ValueOf(ConnectUnix(framed_path())); }
  const std::filesystem::path& directory() const { return directory_.path(); }
  pid_t pid() const { return process_->identity().pid; }

  // Asks it to end; how it did.
  absl::StatusOr<ExitStatus> Stop() {
    (void)process_->Signal(end_signal_);
    return process_->Wait(Patience());
  }
  absl::StatusOr<ExitStatus> WaitForEnd() { return process_->Wait(Patience()); }

  // VmRSS or another line of its status, in KiB.
  size_t StatusKib(const std::string& line) const {
    const std::string status = ValueOf(ReadFile(fmt::format("/proc/{}/status", pid())));
    const size_t at = status.find(line + ":");
    REQUIRE(at != std::string::npos);
    return std::stoul(status.substr(at + line.size() + 1));
  }

  // The pids of its children, zombies too.
  std::string Children() const {
    return ValueOf(ReadFile(fmt::format("/proc/{0}/task/{0}/children", pid())));
  }

 private:
  // In namespaces that end with unshare(1); the program is opened before /home may hide it.
  std::vector<std::string> InOwnWorld() const {
    constexpr const char* kScript =
        "exec 9<\"$0\" && mount --bind \"$1\" /tmp && mount -t tmpfs none /home && "
        "mkdir /home/ubuntu && "
        "/proc/self/fd/9 --uds /tmp/agent --ready-socket /tmp/ready --log-level warn; exit";
    return {"unshare",      "--mount",       "--pid",          "--fork", "--kill-child",
            "--mount-proc", "--propagation", "private",        "sh",     "-c",
            kScript,        EMBERD_PATH,     directory_.path()};
  }

  TempDir directory_;
  std::optional<Process> process_;
  int end_signal_ = SIGTERM;
};

// Waits until `condition` holds; false when it never does.
template <typename Condition>
bool Eventually(Condition condition) {
  const Cancellation patience = Patience();
  while (!condition()) {
    if (!patience.Pause(absl::Milliseconds(5), "condition").ok() || patience.done()) return false;
  }
  return true;
}

inline bool IsAlive(pid_t pid) { return IdentifyProcess(pid).ok(); }

}  // namespace ember::testing
