#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember {

// Where a stream socket of this machine listens: a Unix path if there is one, else a TCP port.
struct StreamAddress {
  std::string unix_path = {};
  std::string ip = {};  // empty: loopback, of IPv4 first, then of IPv6
  uint16_t port = 0;

  // "port 80", "10.0.0.1:80", "/run/app.sock".
  std::string ToString() const;
  friend bool operator==(const StreamAddress&, const StreamAddress&) = default;
};

// The longest path of a Unix socket on Linux, in bytes.
inline constexpr size_t kLongestSocketPath = 107;

// Connects to a stream socket of this machine without blocking. Destroying it gives up. Lives on
// the loop.
class StreamDial {
 public:
  // A connected, non-blocking socket. Unavailable when nobody listens there (or, of a Unix path,
  // nothing is there), DeadlineExceeded after `limit`.
  using Done = std::function<void(absl::StatusOr<UniqueFd> socket)>;

  // Calls `done` once, on the loop, never from within the constructor; it may destroy the dial.
  StreamDial(EventLoop& loop, StreamAddress address, absl::Duration limit, Done done);
  ~StreamDial();
  StreamDial(const StreamDial&) = delete;
  StreamDial& operator=(const StreamDial&) = delete;

 private:
  void Begin();
  void BeginUnix();
  void BeginTcp();
  void OnConnected();
  void Refused(const absl::Status& why);
  void Finish(absl::StatusOr<UniqueFd> outcome);

  EventLoop& loop_;
  const StreamAddress address_;
  Done done_;
  UniqueFd socket_;     // of the try under way
  size_t next_ip_ = 0;  // that is to be tried
  EventLoop::TimerId limit_timer_ = 0;
  EventLoop::TimerId again_timer_ = 0;  // also the first try
};

}  // namespace ember
