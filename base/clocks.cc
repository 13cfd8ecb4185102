#include "base/clocks.h"

#include <time.h>

#include "absl/time/clock.h"

namespace ember {

Clocks Clocks::Real() {
  return {.wall = [] { return absl::Now(); },
          .since_boot =
              [] {
                timespec now;
                clock_gettime(CLOCK_BOOTTIME, &now);
                return absl::DurationFromTimespec(now);
              }};
}

}  // namespace ember
