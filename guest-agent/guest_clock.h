#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ember/agent/v1/agent.pb.h"

namespace ember::agent {

// Whether the system's clock is the agent's to set: it is in a VM, and not where the agent is a
// plain process of a host.
enum class ClockOwner { kAgent, kHost };

// What a guest lost while it did not run. The system's own, or a test's.
struct ClockSetter {
  std::function<absl::Status(absl::Time)> set_time;
  // Mixes bytes into the kernel's random pool and credits them, random(4).
  std::function<absl::Status(std::string_view)> add_entropy;

  // PermissionDenied without the right to.
  static ClockSetter Real();
};

// Does what a SetClock request asks. InvalidArgument, and nothing done, for a time before 1970 or
// more than 512 bytes of entropy.
absl::Status SetClock(const v1::SetClock& request, const ClockSetter& setter);

}  // namespace ember::agent
