#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/vsock/connection_table.h"
#include "backends/vsock/muxer.h"
#include "backends/vsock/vhost_user/server.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace ember::vsock {

// The parent of the pair: keeps what can't be had again while QEMU runs (the vhost-user socket, the
// guest's memory, the kick and call descriptors, the listening socket) and never looks at what the
// guest wrote. It forks the worker that does, hands every request on to it, and forks another one
// at once when it ends. The guest's memory is mapped here only so that a new worker has it from its
// first instruction. Not thread-safe; the process has no other thread.
class Keeper {
 public:
  struct Sockets {
    UniqueFd vhost;           // connected to QEMU; or else
    UniqueFd vhost_listener;  // where QEMU is to connect, once
    UniqueFd clients;         // listens for the host programs
    UniqueFd signals;         // a signalfd of what ends the process in an orderly way
  };

  static absl::StatusOr<Keeper> Create(Sockets sockets, Muxer::Options options, Log log);
  Keeper(Keeper&&) = default;
  // Ends the worker.
  ~Keeper();

  // Serves until QEMU closes its socket or a signal arrives: OK. An error when QEMU breaks the
  // protocol or no worker can be forked.
  absl::Status Run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Child {
    pid_t pid = -1;
    UniqueFd control;
    Clock::time_point started{};
  };

  Keeper(Sockets sockets, Muxer::Options options, ConnectionTable table, Log log);

  absl::StatusOr<bool> Turn();
  absl::Status OnFrontEnd(bool& closed);
  // The worker's answer to a request; nothing when it died over it or there is none.
  std::optional<std::string> AskWorker(const vhost_user::RequestMessage& message);
  absl::Status StartWorker();
  void WorkerEnded();
  void EndWorker();
  [[noreturn]] void BeWorker(UniqueFd control, pid_t keeper);
  absl::Status RunWorker(UniqueFd control);
  int PauseLeftMs() const;

  Sockets sockets_;
  Muxer::Options options_;
  ConnectionTable table_;
  Log log_;
  std::unique_ptr<vhost_user::Server> server_;
  Child worker_;
  int short_lives_ = 0;             // workers in a row that died at once
  Clock::time_point next_start_{};  // no worker before that
};

}  // namespace ember::vsock
