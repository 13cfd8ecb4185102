#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace ember {

// Joins two stream sockets: what one side sends arrives at the other, both ways, until both have
// ended or one is gone. An end of file is passed on as a half-close once everything before it has
// been delivered, so no byte is lost: a side that takes no more is still heard to its end, and what
// a side sent before it went away is still delivered. Holds at most 64 KiB a direction; a side that
// does not read stops the other. Lives on the event loop, which keeps it from Start until it is
// done; a loop that is destroyed first closes both sides without a word.
class BytePump {
 public:
  struct Sides {
    UniqueFd left;                   // non-blocking
    UniqueFd right;                  // non-blocking
    std::string left_to_right = {};  // bytes already read from left
    std::string right_to_left = {};  // bytes already read from right
  };
  // Called once on the loop's thread when the pump has ended and both descriptors are closed.
  using Ended = std::function<void()>;

  // A hold on a running pump, to end it early; harmless once the pump is done.
  using Handle = std::weak_ptr<BytePump>;

  static Handle Start(EventLoop& loop, Sides sides, Ended ended);
  // Closes both sides now. On the loop's thread.
  void Abort();

  ~BytePump() = default;
  BytePump(const BytePump&) = delete;
  BytePump& operator=(const BytePump&) = delete;

 private:
  // One direction: what was read and not yet written.
  struct Flow {
    std::string buffer;
    size_t start = 0;
    bool source_ended = false;
    bool done = false;  // the end was passed on, or there is nobody left to pass anything to
  };

  BytePump(EventLoop& loop, Sides sides, Ended ended);
  absl::Status Watch(const std::shared_ptr<BytePump>& self);
  void OnReady(const Flow& sent, Flow& received, uint32_t events);
  void Turn();
  static void Move(Flow& flow, int from, int to);
  static void Abandon(Flow& flow, int from);
  void Rearm();
  void Finish();

  EventLoop& loop_;
  UniqueFd left_;
  UniqueFd right_;
  Flow forward_;   // left to right
  Flow backward_;  // right to left
  Ended ended_;
};

}  // namespace ember
