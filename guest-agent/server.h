#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "guest-agent/connection.h"
#include "guest-agent/context.h"

namespace ember::agent {

// Who may connect. On AF_VSOCK only the host (CID 2): a program in the guest, or in a guest of the
// guest, must not get root's rights from us.
enum class Peers { kAny, kHostOnly };

// Accepts connections on one listening socket and keeps what serves them until it is over. Lives on
// the event loop.
class Server {
 public:
  // Makes what serves one connection; calls `over` when it is to be destroyed.
  using Serve = absl::StatusOr<std::unique_ptr<Connection>> (*)(const Context& context,
                                                                UniqueFd socket,
                                                                std::function<void()> over);

  // Serves `listener`, a non-blocking listening socket.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const Context& context, UniqueFd listener,
                                                        Peers peers, Serve serve);
  // Stops accepting and ends every connection.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  Server(const Context& context, UniqueFd listener, Peers peers, Serve serve);
  void Accept();
  void Admit(UniqueFd socket);
  void PauseAccepting();

  const Context context_;
  UniqueFd listener_;
  const Peers peers_;
  const Serve serve_;
  EventLoop::TimerId pause_ = 0;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  // Tasks that were posted by connections outlive them and find here whether we still live. Shared
  // with those tasks.
  std::shared_ptr<Server*> self_;
};

}  // namespace ember::agent
