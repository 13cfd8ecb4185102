#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "daemon/host.h"

// What the files that implement Host share: how a verb begins.
namespace ember::daemon {

// Why a verb that needs a machine can't have one.
absl::Status NotRunning(const Vm& vm);
absl::Status BeingRenamed(const Vm& vm);
// Conditions to wait for (waiters.h).
Verdict AgentIsReady(const Vm& vm);
Verdict HasStopped(const Vm& vm);

template <typename T, typename Verb>
void Host::Decide(Reply<T> reply, Verb verb) {
  sequence_.Post([this, reply = std::move(reply), verb = std::move(verb)]() mutable {
    sequence_.AssertCurrent();
    if (draining_) {
      return reply(WithReason(Unavailable("emberhostd is shutting down"), "SHUTTING_DOWN"));
    }
    verb(std::move(reply));
  });
}

template <typename T, typename Verb>
void Host::DecideOn(std::string name, Reply<T> reply, Verb verb) {
  Decide(std::move(reply),
         [this, name = std::move(name), verb = std::move(verb)](Reply<T> reply) mutable {
           sequence_.AssertCurrent();
           auto vm = vms_.Find(name);
           if (!vm.ok()) return reply(vm.status());
           if ((*vm)->renaming()) return reply(BeingRenamed(**vm));
           verb(**vm, std::make_shared<Reply<T>>(std::move(reply)));
         });
}

}  // namespace ember::daemon
