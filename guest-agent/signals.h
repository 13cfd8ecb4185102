#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember::agent {

// Receives signals of this process as events of the loop. Lives on the event loop.
class Signals {
 public:
  // Blocks `numbers` for the calling thread and calls `received` for each that comes.
  static absl::StatusOr<std::unique_ptr<Signals>> Create(EventLoop& loop,
                                                         std::initializer_list<int> numbers,
                                                         std::function<void(int)> received);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  Signals(EventLoop& loop, UniqueFd fd, std::function<void(int)> received)
      : loop_(loop), fd_(std::move(fd)), received_(std::move(received)) {}

  EventLoop& loop_;
  UniqueFd fd_;
  const std::function<void(int)> received_;
};

}  // namespace ember::agent
