#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/hypervisor/backend.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/subprocess.h"

namespace ember::hypervisor {

// The processes of one machine: the hypervisor and its companions. They end together: when the
// hypervisor has ended, companions get half a second to follow and are then killed; when all are
// gone the machine's sockets are removed, and only then does anybody learn of the end, so that the
// next machine may start in the same directory at once.
//
// Everything happens on the io loop, which must outlive this object; the public methods are
// thread-safe. Destroying it lets go of the processes without ending them.
class ProcessFamily {
 public:
  struct Members {
    Process hypervisor;
    std::vector<Process> companions;
    std::vector<std::filesystem::path> sockets;  // removed at the end
    // Where the hypervisor's and then the companions' standard error goes; the first is quoted at
    // the end, all are kept within kMaxProcessLog.
    std::vector<std::filesystem::path> logs;
  };
  // Called on the io loop when a companion has ended while the hypervisor lives.
  using CompanionLost = std::function<void(ProcessIdentity)>;

  // Fails when the process has no descriptors left; the processes then go on.
  static absl::StatusOr<std::unique_ptr<ProcessFamily>> Watch(EventLoop& io, Members members,
                                                              CompanionLost companion_lost);
  ~ProcessFamily();
  ProcessFamily(const ProcessFamily&) = delete;
  ProcessFamily& operator=(const ProcessFamily&) = delete;

  bool Ended() const;
  // Takes in a companion that replaces a lost one.
  void Join(Process companion);
  // Sends `signal` to the hypervisor. OK when it has ended.
  void Signal(int signal);
  // Ends all and waits until they are gone and their sockets removed. Blocks within `cancellation`.
  absl::Status Kill(const Cancellation& cancellation);
  // Blocks within `cancellation`.
  absl::StatusOr<ExitReport> WaitForExit(const Cancellation& cancellation);
  // As Machine::OnExit.
  void OnExit(std::function<void(ExitReport)> ended);

 private:
  class State;
  explicit ProcessFamily(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;  // shared with the loop's callbacks
};

}  // namespace ember::hypervisor
