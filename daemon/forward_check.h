#pragma once

#include "absl/status/status.h"
#include "state/forward.h"

namespace ember::daemon {

// InvalidArgument, with a hint, where a forward that was asked for makes no sense: an address that
// is none, a port of 0 other than where the host listens, a path that is relative or too long for a
// socket, UDP with something else or in reverse. Fills in the host's address where it is missing:
// 127.0.0.1.
absl::Status CheckForward(state::Forward& forward);

// The same of a guest's side alone, which is TCP or a Unix path.
absl::Status CheckStreamTarget(const state::ForwardSide& guest);

}  // namespace ember::daemon
