#include "backends/hypervisor/process_tags.h"

#include <signal.h>

#include <algorithm>

#include "backends/hypervisor/tagged_kill.h"
#include "base/file.h"
#include "tests/support/status_matchers.h"

namespace ember::hypervisor {
namespace {

using ember::testing::ValueOf;

Cancellation Soon() { return Cancellation::After(absl::Seconds(20)); }

// A process that waits, tagged.
Process Sleeper(const std::string& installation, const std::string& machine) {
  SpawnOptions options;
  options.argv = {"sleep", "1000"};
  options.env = TaggedEnvironment(installation, machine);
  options.session = SessionMode::kOwn;
  return ValueOf(Spawn(options));
}

TEST_CASE("a machine's environment keeps ours but nothing that steers", "[hypervisor][tags]") {
  setenv("LD_PRELOAD_OF_TEST", "x", 1);
  setenv("EMBER_SOMETHING", "x", 1);
  setenv("PLAIN_OF_TEST", "kept", 1);
  const auto environment = TaggedEnvironment("inst", "mach");
  unsetenv("LD_PRELOAD_OF_TEST");
  unsetenv("EMBER_SOMETHING");
  unsetenv("PLAIN_OF_TEST");
  const auto has = [&](const std::string& entry) {
    return std::find(environment.begin(), environment.end(), entry) != environment.end();
  };
  CHECK(has("PLAIN_OF_TEST=kept"));
  CHECK(has("EMBER_INSTALLATION_ID=inst"));
  CHECK(has("EMBER_MACHINE_ID=mach"));
  CHECK_FALSE(has("LD_PRELOAD_OF_TEST=x"));
  CHECK_FALSE(has("EMBER_SOMETHING=x"));
}

TEST_CASE("processes are found by installation and ended by machine", "[hypervisor][tags]") {
  const std::string installation = ValueOf(RandomUuid());
  Process first = Sleeper(installation, "one");
  Process second = Sleeper(installation, "one");
  Process neighbour = Sleeper(installation, "one-more");
  Process stranger = Sleeper(installation + "0", "one");
  CHECK(ValueOf(FindTagged(installation)).size() == 3);
  CHECK(MachineOf(neighbour.identity(), installation) == "one-more");
  CHECK_FALSE(MachineOf(stranger.identity(), installation).has_value());
  CHECK_FALSE(
      MachineOf({first.identity().pid, first.identity().start_time + 1}, installation).has_value());

  MachineHandle handle;
  handle.installation_id = installation;
  handle.machine_id = "one";
  REQUIRE_OK(KillTagged(handle, Soon()));
  CHECK(first.Ended());
  CHECK(second.Ended());
  CHECK_FALSE(neighbour.Ended());
  CHECK_FALSE(stranger.Ended());
  for (Process* process : {&first, &second, &neighbour, &stranger}) {
    REQUIRE_OK(process->Signal(SIGKILL));
    REQUIRE_OK(process->Wait(Soon()));
  }
  CHECK(ValueOf(FindTagged(installation)).empty());
}

TEST_CASE("an empty id matches nothing", "[hypervisor][tags]") {
  CHECK(absl::IsInvalidArgument(FindTagged("").status()));
  CHECK(absl::IsInvalidArgument(KillTagged({}, Soon())));
}

}  // namespace
}  // namespace ember::hypervisor
