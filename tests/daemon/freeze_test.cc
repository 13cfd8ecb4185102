#include "daemon/freeze.h"

#include "base/status.h"
#include "tests/daemon/forward_context.h"

namespace ember::daemon {
namespace {

using testing::AgentMode;
using testing::ValueOf;

class FreezeContext : public ForwardContext {
 public:
  absl::StatusOr<std::unique_ptr<FrozenVm>> Freeze(absl::Duration limit = kMostFrozen) {
    Awaited<ReachedVm> vm;
    host().Reach("web", vm.reply());
    Awaited<std::unique_ptr<FrozenVm>> frozen;
    FreezeVm(io(), ValueOf(Answer(vm)), limit, frozen.reply());
    return frozen.Wait(Soon(), "freeze");
  }
  static absl::StatusOr<absl::Duration> Thaw(FrozenVm& frozen) {
    Awaited<absl::Duration> thawed;
    frozen.Thaw(thawed.reply());
    return thawed.Wait(Soon(), "thaw");
  }
  void Behave(AgentMode mode) {
    world.Change("web", [mode](testing::GuestPlan& plan) { plan.agent = mode; });
  }
  bool BecomesThawed() {
    const Cancellation limit = Soon();
    while (guest().frozen) {
      if (!limit.Pause(absl::Milliseconds(2), "thaw").ok()) return false;
    }
    return true;
  }
  testing::FakeAgent::Guest& guest() { return *world.AgentOf("web"); }
};

TEST_CASE("a guest is frozen until it is thawed", "[daemon][freeze]") {
  FreezeContext context;
  const auto frozen = ValueOf(context.Freeze());
  CHECK(context.guest().frozen);
  CHECK(ValueOf(FreezeContext::Thaw(*frozen)) >= absl::ZeroDuration());
  CHECK_FALSE(context.guest().frozen);
  CHECK(context.guest().freezes == 1);
}

TEST_CASE("a freeze that is let go of ends", "[daemon][freeze]") {
  FreezeContext context;
  auto frozen = ValueOf(context.Freeze());
  frozen.reset();
  CHECK(context.BecomesThawed());
}

TEST_CASE("an agent that can't freeze is not asked to", "[daemon][freeze]") {
  FreezeContext context;
  context.Behave(AgentMode::kOlder);
  const int before = context.guest().requests;
  const auto refused = context.Freeze();
  CHECK(ReasonOf(refused.status()) == "AGENT_TOO_OLD");
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(context.guest().requests == before);
}

TEST_CASE("a thaw that comes too late says so", "[daemon][freeze]") {
  FreezeContext context;
  const auto frozen = ValueOf(context.Freeze());
  context.guest().thaws_early = true;
  const auto late = FreezeContext::Thaw(*frozen);
  CHECK(absl::IsDeadlineExceeded(late.status()));
  CHECK(ReasonOf(late.status()) == "FREEZE_LIMIT");
  CHECK(Message(late.status()).find("vm 'web'") == 0);
}

TEST_CASE("a guest that ends while it is frozen fails the thaw", "[daemon][freeze]") {
  FreezeContext context;
  const auto frozen = ValueOf(context.Freeze());
  context.world.End("web", 1);
  const auto gone = FreezeContext::Thaw(*frozen);
  CHECK(absl::IsUnavailable(gone.status()));
  CHECK(ReasonOf(gone.status()) == "VM_WENT_AWAY");
}

TEST_CASE("what an agent answers that is no agreement is refused", "[daemon][freeze]") {
  FreezeContext context;
  for (const AgentMode mode : {AgentMode::kGarbage, AgentMode::kCutShort, AgentMode::kTooOld}) {
    context.Behave(mode);
    CHECK_FALSE(context.Freeze().ok());
  }
}

}  // namespace
}  // namespace ember::daemon
