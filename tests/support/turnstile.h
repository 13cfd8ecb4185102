#pragma once

#include <sys/eventfd.h>

#include "base/cancellation.h"
#include "base/check.h"
#include "base/unique_fd.h"

namespace ember::testing {

// Holds whoever comes to it until the test lets them pass: what tests have instead of sleeps. Open
// at first. Thread-safe.
class Turnstile {
 public:
  Turnstile() {
    EMBER_CHECK(open_.valid() && reached_.valid());
    Open();
  }

  // Whoever comes from now on waits.
  void Close() {
    eventfd_t ignored;
    eventfd_read(open_.get(), &ignored);
    eventfd_read(reached_.get(), &ignored);
  }
  void Open() { eventfd_write(open_.get(), 1); }

  // Waits until the turnstile is open, or answers why it did not.
  absl::Status Pass(const Cancellation& cancellation) {
    eventfd_write(reached_.get(), 1);
    return cancellation.WaitReadable(open_.get(), "turnstile");
  }

  // Waits until somebody has come to the turnstile since it was closed.
  absl::Status AwaitSomebody() {
    return Cancellation::After(absl::Seconds(20)).WaitReadable(reached_.get(), "nobody came");
  }

 private:
  UniqueFd open_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  UniqueFd reached_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

}  // namespace ember::testing
