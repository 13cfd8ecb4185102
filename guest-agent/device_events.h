#pragma once

#include <functional>

#include "absl/status/status.h"
#include "base/cancellation.h"

namespace ember::agent {

// Waits until `holds` answers true: asks at once, and again whenever the kernel tells of a change
// of its devices (which it does when their nodes are there). Cancelled or DeadlineExceeded when
// that does not come. Blocks.
absl::Status AwaitDevices(const std::function<bool()>& holds, const Cancellation& cancellation);

}  // namespace ember::agent
