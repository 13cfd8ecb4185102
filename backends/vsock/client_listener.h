#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "absl/status/status.h"
#include "backends/vsock/handshake.h"
#include "backends/vsock/rate_limited_log.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember::vsock {

// Accepts host programs and reads from each which port of the guest it wants. One that says
// something else is closed without a word. Lives on `loop`.
class ClientListener {
 public:
  using HasRoom = std::function<bool()>;
  // Takes over a program's socket, which holds what the program sent behind its line.
  using Arrived = std::function<void(UniqueFd socket, uint32_t guest_port)>;

  // `loop` and `log` are borrowed. A program that comes when there is no room is closed.
  ClientListener(EventLoop& loop, HasRoom has_room, Arrived arrived, RateLimitedLog& log);
  ClientListener(const ClientListener&) = delete;
  ClientListener& operator=(const ClientListener&) = delete;
  ~ClientListener();

  // Accepts from `listener` (borrowed, non-blocking). Once.
  absl::Status Listen(int listener);

  // How many programs have not said yet what they want.
  size_t size() const { return clients_.size(); }

 private:
  struct Client {
    UniqueFd socket;
    HandshakeReader reader;
  };

  void OnListener();
  void Pause();
  void OnClient(int socket);

  EventLoop& loop_;
  HasRoom has_room_;
  Arrived arrived_;
  RateLimitedLog& log_;
  int listener_ = -1;
  EventLoop::TimerId pause_ = 0;
  std::unordered_map<int, Client> clients_;
};

}  // namespace ember::vsock
