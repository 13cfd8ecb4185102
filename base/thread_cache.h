#pragma once

#include <string_view>

#include "absl/functional/any_invocable.h"

namespace ember {

// Runs `work` on a thread of its own: one that is idle, or else a new one, so it never waits for
// other work to end. A thread that has had nothing to do for some seconds ends. The process may end
// while threads are idle; who started work waits for it. `name` is the thread's for that time, cut
// to 15 characters. Thread-safe.
void RunOnCachedThread(std::string_view name, absl::AnyInvocable<void() &&> work);

}  // namespace ember
