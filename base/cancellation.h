#pragma once

#include <optional>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ember {

// A point on the monotonic clock by which something must be done. Wall-clock jumps do not move it.
// A value.
class Deadline {
 public:
  // Never expires.
  Deadline() = default;
  static Deadline Infinite() { return Deadline(); }
  // `span` from now; a negative span has expired already.
  static Deadline After(absl::Duration span);

  bool infinite() const { return !at_ns_.has_value(); }
  bool expired() const { return Remaining() <= absl::ZeroDuration(); }
  // Time left, never negative; absl::InfiniteDuration() where there is no end.
  absl::Duration Remaining() const;
  // What is left as a time-out for poll(2) and epoll_wait(2): milliseconds rounded up, or -1.
  int PollTimeoutMs() const;
  // The sooner of the two.
  Deadline Sooner(Deadline other) const;

 private:
  std::optional<int64_t> at_ns_;  // CLOCK_MONOTONIC
};

// What may end a blocking call early: somebody's wish (token) or the time. Passed by value down a
// call chain. Thread-safe.
struct Cancellation {
  std::stop_token token;
  Deadline deadline;

  static Cancellation After(absl::Duration span) { return {{}, Deadline::After(span)}; }

  // The same wish, with a deadline no later than `span` from now.
  Cancellation Within(absl::Duration span) const {
    return {token, deadline.Sooner(Deadline::After(span))};
  }

  bool done() const { return token.stop_requested() || deadline.expired(); }

  // OK, or Cancelled ("<what>: cancelled"), or DeadlineExceeded ("<what>: timed out").
  absl::Status Check(std::string_view what) const;

  // Waits until `fd` is readable (or has hung up): OK, or Check's error. Blocks; never call it on
  // `io` or `host`.
  absl::Status WaitReadable(int fd, std::string_view what) const;
  // The same until `fd` is writable.
  absl::Status WaitWritable(int fd, std::string_view what) const;
  // Waits until something ends it early or `span` has passed (which is OK). The one pause that code
  // outside base/ may take.
  absl::Status Pause(absl::Duration span, std::string_view what) const;
};

}  // namespace ember
