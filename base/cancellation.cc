#include "base/cancellation.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/status.h"
#include "base/unique_fd.h"

namespace ember {
namespace {

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Polls `fd` (none when negative) until `events`, the deadline or the stop token. OK means ready,
// or time is up.
absl::Status PollOnce(int fd, short events, const std::stop_token& token, Deadline deadline) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  std::stop_callback on_stop(token, [raw = wake.get()] { eventfd_write(raw, 1); });
  pollfd fds[2] = {{wake.get(), POLLIN, 0}, {fd, events, 0}};
  while (true) {
    const int ready = poll(fds, fd < 0 ? 1 : 2, deadline.PollTimeoutMs());
    if (ready >= 0) return absl::OkStatus();
    if (errno != EINTR) return ErrnoStatus(errno, "poll");
  }
}

absl::Status WaitFor(const Cancellation& cancellation, int fd, short events,
                     std::string_view what) {
  while (true) {
    pollfd now{fd, events, 0};
    if (poll(&now, 1, 0) > 0) return absl::OkStatus();
    if (absl::Status status = cancellation.Check(what); !status.ok()) return status;
    if (absl::Status status = PollOnce(fd, events, cancellation.token, cancellation.deadline);
        !status.ok()) {
      return Annotate(status, what);
    }
  }
}

}  // namespace

Deadline Deadline::After(absl::Duration span) {
  Deadline deadline;
  if (span == absl::InfiniteDuration()) return deadline;
  const int64_t now = MonotonicNanos();
  const int64_t nanos = std::max<int64_t>(0, absl::ToInt64Nanoseconds(span));
  deadline.at_ns_ = nanos > std::numeric_limits<int64_t>::max() - now
                        ? std::numeric_limits<int64_t>::max()
                        : now + nanos;
  return deadline;
}

absl::Duration Deadline::Remaining() const {
  if (!at_ns_.has_value()) return absl::InfiniteDuration();
  return absl::Nanoseconds(std::max<int64_t>(0, *at_ns_ - MonotonicNanos()));
}

int Deadline::PollTimeoutMs() const {
  if (infinite()) return -1;
  const int64_t millis = absl::ToInt64Milliseconds(Remaining() + absl::Microseconds(999));
  return static_cast<int>(std::min<int64_t>(millis, std::numeric_limits<int>::max()));
}

Deadline Deadline::Sooner(Deadline other) const {
  if (infinite()) return other;
  if (other.infinite()) return *this;
  return *at_ns_ < *other.at_ns_ ? *this : other;
}

absl::Status Cancellation::Check(std::string_view what) const {
  if (token.stop_requested()) return Cancelled("{}: cancelled", what);
  if (deadline.expired()) return DeadlineExceeded("{}: timed out", what);
  return absl::OkStatus();
}

absl::Status Cancellation::WaitReadable(int fd, std::string_view what) const {
  return WaitFor(*this, fd, POLLIN, what);
}

absl::Status Cancellation::WaitWritable(int fd, std::string_view what) const {
  return WaitFor(*this, fd, POLLOUT, what);
}

absl::Status Cancellation::Pause(absl::Duration span, std::string_view what) const {
  const Deadline end = Deadline::After(span);
  while (!end.expired()) {
    if (absl::Status status = Check(what); !status.ok()) return status;
    if (absl::Status status = PollOnce(-1, 0, token, deadline.Sooner(end)); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace ember
