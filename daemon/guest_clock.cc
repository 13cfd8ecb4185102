#include "daemon/guest_clock.h"

#include <sys/random.h>

#include <array>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(10);
constexpr size_t kEntropyBytes = 64;

}  // namespace

void SetGuestClock(EventLoop& io, const Log& log, ReachedVm vm) {
  agent::v1::ClientFrame frame;
  agent::v1::SetClock& set = *frame.mutable_set_clock();
  std::array<char, kEntropyBytes> entropy;
  if (getrandom(entropy.data(), entropy.size(), 0) == kEntropyBytes) {
    set.set_entropy(entropy.data(), entropy.size());
  }
  std::string name = vm.name;
  // Read as late as possible: the guest stays behind by the way to it.
  set.set_unix_ns(absl::GetCurrentTimeNanos());
  AskVm(io, std::move(vm), std::move(frame), "care", kLimit,
        Reply<agent::v1::AgentFrame>([log, name = std::move(name)](auto answer) {
          if (answer.ok() || absl::IsCancelled(answer.status())) return;
          log.Info("the clock of a resumed guest was not set",
                   {{"vm", name}, {"cause", std::string(Message(answer.status()))}});
        }));
}

}  // namespace ember::daemon
