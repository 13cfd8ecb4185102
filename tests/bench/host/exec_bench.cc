// Where the time of `ember exec VM -- true` goes.
#include <cstdio>

#include "tests/bench/host/direct_session.h"
#include "tests/bench/host/samples.h"
#include "tests/e2e/installation.h"
#include "tests/support/catch.h"

namespace ember::bench {
namespace {

TEST_CASE("where the time of an exec goes", "[exec]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  constexpr int kRounds = 100;
  testing::Installation ember;
  ember.StartDaemon();
  ember.CreateVm("web");
  const std::filesystem::path device = ember.VmDir("web") / "v.sock";

  Samples whole, start, call, session, greeting;
  for (int round = 0; round < kRounds; ++round) {
    whole.Add(
        TimeOfProgram(ember.EmberTool({"exec", "web", "--no-stdin", "--", "/bin/true", ""}).argv));
    start.Add(TimeOfProgram({std::string(EMBER_BIN_DIR) + "/ember", "--help"}));
    call.Add(TimeOfProgram(ember.EmberTool({"host", "info"}).argv));
    session.Add(TimeOf([&device] { DirectSession(device).Run({"/bin/true"}); }));
    greeting.Add(TimeOf([&device] { DirectSession(device).Hello(); }));
  }
  const auto ms = [](absl::Duration time) { return absl::ToDoubleMilliseconds(time); };
  std::printf("ember exec web -- true, whole process: %s\n", whole.Describe().c_str());
  std::printf("  start of the CLI (ember --help):     %s\n", start.Describe().c_str());
  std::printf("  one call (ember host info):          %s\n", call.Describe().c_str());
  std::printf("  session past the daemon:             %s\n", session.Describe().c_str());
  std::printf("  its greeting alone (vsock):          %s\n", greeting.Describe().c_str());
  std::printf(
      "shares of the median: CLI start %.2f ms, gRPC and daemon %.2f ms, vsock %.2f ms, guest fork "
      "and exec %.2f ms\n",
      ms(start.Median()), ms(whole.Median() - start.Median() - session.Median()),
      ms(greeting.Median()), ms(session.Median() - greeting.Median()));
}

}  // namespace
}  // namespace ember::bench
