// What every backend promises in backend.h, tried on each that this machine can run.
#include <signal.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/file.h"
#include "base/status.h"
#include "tests/contract/contract_context.h"
#include "tests/support/status_matchers.h"

namespace ember::hypervisor {
namespace {

using ember::testing::ContractContext;
using ember::testing::StatusOf;
using ember::testing::ValueOf;

constexpr absl::Duration kBoot = absl::Seconds(60);

// Declares `context` for one backend of a case, or skips.
#define CONTRACT_CONTEXT(context)                                        \
  const std::string kind = GENERATE(as<std::string>{}, "local", "qemu"); \
  INFO("backend " << kind);                                              \
  ContractContext context(kind);                                         \
  if (context.why_not().has_value()) EMBER_SKIP(kind + ": " + *context.why_not())

// A promise kept by the first call of OnExit's callback, and how often that came.
struct ExitWatch {
  explicit ExitWatch(Machine& machine) {
    machine.OnExit([state = state](ExitReport report) {
      if (++state->calls == 1) state->first.set_value(std::move(report));
    });
  }
  ExitReport Wait() {
    auto future = state->first.get_future();
    REQUIRE(future.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
    return future.get();
  }
  int calls() const { return state->calls; }

  struct State {
    std::promise<ExitReport> first;
    std::atomic<int> calls{0};
  };
  std::shared_ptr<State> state = std::make_shared<State>();
};

void CheckNothingLeft(ContractContext& context, const MachineSpec& spec) {
  CHECK(context.Processes(spec.machine_id) == 0);
  CHECK(ContractContext::Leftovers(spec.dir).empty());
}

TEST_CASE("the agent of a launched machine answers", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  const auto machine = context.Launch(spec);
  CHECK(machine->handle().backend == kind);
  CHECK(machine->handle().machine_id == spec.machine_id);
  CHECK(machine->handle().dir == spec.dir);
  CHECK(machine->handle().process == ValueOf(IdentifyProcess(machine->handle().process.pid)));
  const std::string pong = ValueOf(context.Ping(*machine, kBoot));
  CHECK(pong.find("\"ok\":true") != std::string::npos);
  const auto nobody = context.Dial(*machine, 4242);
  INFO(StatusOf(nobody).ToString());
  CHECK(absl::IsUnavailable(nobody.status()));
}

TEST_CASE("a machine that is not up yet is unavailable, not broken", "[contract]") {
  CONTRACT_CONTEXT(context);
  const auto machine = context.Launch();
  const auto early = context.Dial(*machine, 4242, absl::Milliseconds(200));
  const bool as_promised =
      absl::IsUnavailable(early.status()) || absl::IsDeadlineExceeded(early.status());
  INFO(StatusOf(early).ToString());
  CHECK(as_promised);
}

TEST_CASE("a killed machine leaves no process and no socket", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  const auto machine = context.Launch(spec);
  CHECK(context.Processes(spec.machine_id) >= 1);
  REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  CheckNothingLeft(context, spec);
  REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  REQUIRE_OK(machine->Stop(PowerOff::kPolite, ContractContext::Soon()));
  CHECK(absl::IsUnavailable(context.Dial(*machine, 1024).status()));
}

TEST_CASE("the end of a machine is reported once, with its cause", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  const auto machine = context.Launch(spec);
  ExitWatch watch(*machine);
  REQUIRE(kill(machine->handle().process.pid, SIGKILL) == 0);
  CHECK(watch.Wait().exit.signal == SIGKILL);
  // Whoever learns of the end may use the directory again at once.
  CheckNothingLeft(context, spec);
  CHECK(ValueOf(machine->WaitForExit(ContractContext::Soon())).exit.signal == SIGKILL);
  CHECK(watch.calls() == 1);
}

TEST_CASE("an end before OnExit was asked for is reported too", "[contract]") {
  CONTRACT_CONTEXT(context);
  const auto machine = context.Launch();
  REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  ExitWatch watch(*machine);
  CHECK(watch.Wait().exit.signal == SIGKILL);
}

TEST_CASE("a machine can be launched again in the directory of the last", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  for (int round = 0; round < 3; ++round) {
    const auto machine = context.Launch(spec);
    REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  }
  CheckNothingLeft(context, spec);
}

TEST_CASE("letting go of a machine neither ends it nor reports its end", "[contract]") {
  CONTRACT_CONTEXT(context);
  auto machine = context.Launch();
  const MachineHandle handle = machine->handle();
  ExitWatch watch(*machine);
  machine.reset();
  CHECK(IdentifyProcess(handle.process.pid).ok());
  REQUIRE_OK(context.backend().Reap(handle, ContractContext::Soon()));
  CHECK(watch.calls() == 0);
}

TEST_CASE("a second daemon adopts a machine and ends it", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  auto first = context.Launch(spec);
  const MachineHandle handle = first->handle();
  first.reset();
  const auto daemon = context.SecondDaemon();
  const auto machine = ValueOf(daemon->Adopt(handle, ContractContext::Soon()));
  CHECK(machine->handle() == handle);
  REQUIRE_OK(context.Ping(*machine, kBoot));
  ExitWatch watch(*machine);
  REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  watch.Wait();
  CheckNothingLeft(context, spec);
}

TEST_CASE("what is gone or somebody else's is not adopted", "[contract]") {
  CONTRACT_CONTEXT(context);
  const auto machine = context.Launch();
  const MachineHandle handle = machine->handle();
  const auto adopt = [&](const MachineHandle& claim) {
    return context.SecondDaemon()->Adopt(claim, ContractContext::Soon()).status();
  };
  MachineHandle later = handle;
  ++later.process.start_time;
  CHECK(absl::IsNotFound(adopt(later)));
  MachineHandle other = handle;
  other.machine_id = "00000000-0000-4000-8000-000000000000";
  CHECK(absl::IsNotFound(adopt(other)));
  CHECK(IdentifyProcess(handle.process.pid).ok());
  REQUIRE_OK(machine->Stop(PowerOff::kKill, ContractContext::Soon()));
  CHECK(absl::IsNotFound(adopt(handle)));
}

TEST_CASE("a machine whose launch nobody recorded is reaped, and only it", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  context.Launch(spec).reset();
  const auto neighbour = context.Launch();
  // All that a daemon knows that was killed in the middle of a launch.
  MachineHandle intent;
  intent.backend = kind;
  intent.installation_id = spec.installation_id;
  intent.machine_id = spec.machine_id;
  intent.dir = spec.dir;
  const auto daemon = context.SecondDaemon();
  REQUIRE_OK(daemon->Reap(intent, ContractContext::Soon()));
  CheckNothingLeft(context, spec);
  CHECK(context.Processes(neighbour->handle().machine_id) >= 1);
  REQUIRE_OK(daemon->Reap(intent, ContractContext::Soon()));
  intent.machine_id.clear();
  CHECK(absl::IsInvalidArgument(daemon->Reap(intent, ContractContext::Soon())));
}

TEST_CASE("a launch without its program fails and leaves nothing", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  const auto machine = context.BackendWithoutProgram()->Launch(spec, ContractContext::Soon());
  CHECK(absl::IsNotFound(machine.status()));
  CheckNothingLeft(context, spec);
  CHECK_FALSE(context.BackendWithoutProgram()->Probe(ContractContext::Soon()).usable);
  CHECK(context.backend().Probe(ContractContext::Soon()).usable);
}

TEST_CASE("a launch whose program ends at once quotes it and leaves nothing", "[contract]") {
  CONTRACT_CONTEXT(context);
  const MachineSpec spec = context.NewSpec();
  const auto machine = context.BackendWithBrokenProgram()->Launch(spec, ContractContext::Soon());
  REQUIRE_FALSE(machine.ok());
  const std::string message(Message(machine.status()));
  INFO(message);
  CHECK(message.find("no such wonder") != std::string::npos);
  CHECK(message.find("exit code 3") != std::string::npos);
  CHECK(message.find(spec.vm_name) != std::string::npos);
  CheckNothingLeft(context, spec);
}

TEST_CASE("a launch that can't work is refused before anything is made", "[contract]") {
  CONTRACT_CONTEXT(context);
  MachineSpec untagged = context.NewSpec();
  untagged.machine_id.clear();
  CHECK(absl::IsInvalidArgument(
      context.backend().Launch(untagged, ContractContext::Soon()).status()));
  MachineSpec homeless = context.NewSpec();
  homeless.dir /= "absent";
  CHECK(absl::IsNotFound(context.backend().Launch(homeless, ContractContext::Soon()).status()));
  MachineSpec deep = context.NewSpec();
  deep.guest_socket_prefix = deep.dir / std::string(100, 'x');
  CHECK(absl::IsInvalidArgument(context.backend().Launch(deep, ContractContext::Soon()).status()));
  CheckNothingLeft(context, deep);
}

TEST_CASE("a launch cancelled at any time leaves nothing", "[contract]") {
  CONTRACT_CONTEXT(context);
  for (const int millis : {0, 1, 3, 6, 10, 15, 20, 30, 40}) {
    const MachineSpec spec = context.NewSpec();
    std::stop_source stop;
    std::thread impatient([&] {
      CHECK(Cancellation().Pause(absl::Milliseconds(millis), "wait").ok());
      stop.request_stop();
    });
    const auto machine = context.backend().Launch(spec, {stop.get_token(), {}});
    impatient.join();
    // It may have been quicker than the wish.
    if (machine.ok()) REQUIRE_OK((*machine)->Stop(PowerOff::kKill, ContractContext::Soon()));
    const bool as_promised = machine.ok() || absl::IsCancelled(machine.status());
    INFO(StatusOf(machine).ToString());
    CHECK(as_promised);
    CheckNothingLeft(context, spec);
  }
}

TEST_CASE("a paused machine is silent until it is resumed", "[contract]") {
  CONTRACT_CONTEXT(context);
  REQUIRE(context.backend().capabilities().pause);
  const auto machine = context.Launch();
  REQUIRE_OK(context.Ping(*machine, kBoot));
  REQUIRE_OK(machine->Pause(ContractContext::Soon()));
  CHECK_FALSE(context.Ping(*machine, absl::Milliseconds(500)).ok());
  REQUIRE_OK(machine->Resume(ContractContext::Soon()));
  REQUIRE_OK(context.Ping(*machine, absl::Seconds(20)));
}

TEST_CASE("a polite request to power off is delivered", "[contract]") {
  CONTRACT_CONTEXT(context);
  const auto machine = context.Launch();
  REQUIRE_OK(context.Ping(*machine, kBoot));
  REQUIRE_OK(machine->Stop(PowerOff::kPolite, ContractContext::Soon()));
}

}  // namespace
}  // namespace ember::hypervisor
