// `ember exec` against OpenSSH into the same VM.
#include <cstdio>

#include "tests/bench/host/samples.h"
#include "tests/bench/host/ssh_guest.h"
#include "tests/support/catch.h"

namespace ember::bench {
namespace {

constexpr int kRounds = 40;

double Ratio(const Samples& theirs, const Samples& ours) {
  return absl::FDivDuration(theirs.Median(), ours.Median());
}

TEST_CASE("a command by exec and by ssh, in turn", "[ssh]") {
  if (!testing::PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  if (!SshGuest::IsPossible()) EMBER_SKIP("there is no ssh here");
  testing::Installation ember(testing::Installation::Shape{.log_level = "info"});
  ember.StartDaemon();
  const SshGuest guest(ember);
  const auto exec = ember.EmberTool({"exec", "ssh", "--no-stdin", "--", "/bin/true", ""}).argv;

  Samples ours;
  Samples fresh;
  Samples shared;
  for (int round = 0; round < kRounds; ++round) {
    ours.Add(TimeOfProgram(exec));
    fresh.Add(TimeOfProgram(guest.Ssh({"/bin/true"})));
    shared.Add(TimeOfProgram(guest.SharedSsh({"/bin/true"})));
  }
  std::printf("ember exec ssh -- true:        %s\n", ours.Describe().c_str());
  std::printf("ssh, a new connection:         %s: %.1f times\n", fresh.Describe().c_str(),
              Ratio(fresh, ours));
  std::printf("ssh, a connection that is open: %s: %.1f times\n", shared.Describe().c_str(),
              Ratio(shared, ours));
}

}  // namespace
}  // namespace ember::bench
