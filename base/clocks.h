#pragma once

#include <functional>

#include "absl/time/time.h"

namespace ember {

// The two clocks that a promise about the future is kept by; a test sets its own. A value; the
// functions are thread-safe.
struct Clocks {
  // Real time. Jumps when somebody sets it.
  std::function<absl::Time()> wall;
  // Since the host booted, the time it was suspended included (CLOCK_BOOTTIME). Never jumps, and
  // means something only within one boot of the host (base/file.h, HostBootId).
  std::function<absl::Duration()> since_boot;

  static Clocks Real();
};

}  // namespace ember
