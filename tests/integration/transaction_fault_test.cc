// Kills the daemon, or makes SQLite fail, at every transaction of every verb. A program of its own,
// so that it can run beside the one of fault_test.cc.
#include <fmt/format.h>

#include <string_view>

#include "tests/integration/fault_context.h"
#include "tests/support/catch.h"

namespace ember::testing {
namespace {

TEST_CASE("every transaction of every verb may fail, or be the last one", "[integration][faults]") {
  constexpr int kMostTransactions = 12;
  const Verb verb = GENERATE(from_range(kAllVerbs.begin(), kAllVerbs.end()));
  if (NeedsDisk(verb) && !PreparedState().has_value()) EMBER_SKIP("EMBER_TEST_STATE is not set");
  Counts counts;
  size_t transactions = 0;
  for (const std::string_view point : kEveryVerb) {
    for (const std::string_view what : {"KILL", "SQLITE_FULL", "SQLITE_BUSY"}) {
      // Behind a commit there is nothing left that could fail.
      if (point == "store/committed" && what != "KILL") continue;
      int pass = 1;
      const Case one{point, verb, kCrash, NeedsDisk(verb)};
      while (RunFaultCase(one, what, pass, counts)) {
        REQUIRE(++pass < kMostTransactions);
      }
      transactions += static_cast<size_t>(pass) - 1;
    }
  }
  ReportFaults(fmt::format("transactions of verb {}", static_cast<int>(verb)), transactions,
               counts);
  CHECK(counts.leftovers == 0);
}

}  // namespace
}  // namespace ember::testing
