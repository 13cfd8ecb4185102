#include <unistd.h>

#include "tests/guest-agent/framed_client.h"
#include "tests/support/text.h"

using namespace ember;
using namespace ember::testing;

namespace {

v1::ExecStart WithLimit(v1::ExecStart start, const std::string& name, uint64_t soft,
                        uint64_t hard) {
  v1::Limit& limit = *start.add_limits();
  limit.set_name(name);
  limit.set_soft(soft);
  limit.set_hard(hard);
  return start;
}

// Why it is refused as a bad request.
std::string Refusal(const AgentProcess& agent, const v1::ExecStart& start) {
  const auto outcome = Run(agent, start);
  REQUIRE(outcome.failure.has_value());
  CHECK(outcome.failure->reason() == v1::Failure::BAD_REQUEST);
  return outcome.failure->message();
}

}  // namespace

TEST_CASE("a process has the usual umask, or the one that is asked for", "[agent][limits]") {
  AgentProcess agent;
  auto start = Shell("umask");
  CHECK(Run(agent, start).out == "0022\n");
  start.set_umask(0);
  CHECK(Run(agent, start).out == "0000\n");
  start.set_umask(0127);
  CHECK(Run(agent, start).out == "0127\n");
  start.set_umask(01000);
  CHECK(Contains(Refusal(agent, start), "umask"));
}

TEST_CASE("a process has the limits that are asked for", "[agent][limits]") {
  AgentProcess agent;
  auto start = Shell("ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc");
  start = WithLimit(start, "nofile", 17, 23);
  start = WithLimit(start, "core", 0, UINT64_MAX);
  CHECK(Run(agent, start).out == "17\n23\n0\nunlimited\n");
}

TEST_CASE("limits are set before the user changes, so root may raise them", "[agent][limits]") {
  if (geteuid() != 0) EMBER_SKIP("changing the user needs root");
  AgentProcess agent;
  auto start = WithLimit(Shell("ulimit -Hn; id -u"), "nofile", 5000, 100'000);
  // A container may lack the right.
  if (Run(agent, start).failure.has_value()) EMBER_SKIP("raising a limit is not permitted here");
  start.set_user("nobody");
  const auto outcome = Run(agent, start);
  CHECK(outcome.out == "100000\n65534\n");
}

TEST_CASE("memory that runs out ends commands before it ends the agent", "[agent][limits]") {
  if (geteuid() != 0) EMBER_SKIP("a lower OOM score needs root");
  const std::string own = ValueOf(ReadFile("/proc/self/oom_score_adj"));
  AgentProcess agent;
  const auto score = ReadFile(fmt::format("/proc/{}/oom_score_adj", agent.pid()));
  // A container may lack the right.
  if (ValueOf(score) == own) EMBER_SKIP("a lower OOM score is not permitted here");
  CHECK(ValueOf(score) == "-900\n");
  CHECK(Run(agent, Shell("cat /proc/self/oom_score_adj")).out == own);
}

TEST_CASE("limits that make no sense are told by their name", "[agent][limits]") {
  AgentProcess agent;
  const auto start = Command({"true"});
  CHECK(Contains(Refusal(agent, WithLimit(start, "coffee", 1, 1)), "'coffee' is not known"));
  CHECK(Contains(Refusal(agent, WithLimit(start, "NOFILE", 1, 1)), "'NOFILE' is not known"));
  CHECK(Contains(Refusal(agent, WithLimit(start, "core", 2, 1)), "soft 2 is over hard 1"));
  const auto twice = WithLimit(WithLimit(start, "core", 1, 1), "core", 2, 2);
  CHECK(Contains(Refusal(agent, twice), "'core' is given twice"));
}

TEST_CASE("a limit that the kernel does not permit is told by its name", "[agent][limits]") {
  AgentProcess agent;
  // Over fs.nr_open, also for root.
  const auto outcome = Run(agent, WithLimit(Command({"true"}), "nofile", 1, UINT64_MAX));
  REQUIRE(outcome.failure.has_value());
  CHECK(outcome.failure->reason() == v1::Failure::DENIED);
  CHECK(Contains(outcome.failure->message(), "limit 'nofile'"));
  CHECK(agent.Children().empty());
}
