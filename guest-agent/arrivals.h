#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember::agent {

// Connections that came to a listener of one session and wait to be fetched by another one. Lives
// on the loop.
class Arrivals {
 public:
  // Longer no connection waits.
  static constexpr absl::Duration kPatience = absl::Seconds(10);

  // `loop` outlives the object.
  explicit Arrivals(EventLoop& loop) : loop_(loop) {}
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  ~Arrivals();

  // Keeps a connection; answers the token by which it is fetched, a number that nobody guesses.
  // Calls `left` once when it waits no longer, fetched or closed, but not because of Drop.
  absl::StatusOr<uint64_t> Add(UniqueFd connection, std::function<void(uint64_t token)> left);
  // NotFound for a token that nobody waits under.
  absl::StatusOr<UniqueFd> Fetch(uint64_t token);
  // Closes it, if it still waits.
  void Drop(uint64_t token);

 private:
  struct Arrival {
    UniqueFd connection;
    std::function<void(uint64_t token)> left;
    EventLoop::TimerId timer = 0;
  };

  EventLoop& loop_;
  std::map<uint64_t, Arrival> waiting_;
};

}  // namespace ember::agent
