#include "cli/signal_name.h"

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

TEST_CASE("a signal is named in any of its ways", "[cli][signal]") {
  for (const char* text : {"TERM", "SIGTERM", "term", "sigterm", "15"}) {
    INFO(text);
    CHECK(ValueOf(ParseSignal("--signal", text)) == 15);
  }
  CHECK(ValueOf(ParseSignal("--signal", "KILL")) == 9);
  CHECK(ValueOf(ParseSignal("--signal", "64")) == 64);
}

TEST_CASE("what is no signal is refused with the nearest one", "[cli][signal]") {
  for (const char* text : {"", "0", "65", "-9", "9x", "SIG", "TREM"}) {
    INFO(text);
    CHECK(absl::IsInvalidArgument(ParseSignal("--signal", text).status()));
  }
  CHECK(HintOf(ParseSignal("--signal", "SIGTREM").status()) == "did you mean TERM?");
}

TEST_CASE("every name leads to its number and back", "[cli][signal]") {
  for (uint32_t number = 1; number <= 31; ++number) {
    CHECK(ValueOf(ParseSignal("--signal", SignalName(number))) == number);
  }
  CHECK(SignalName(35) == "signal 35");
}

}  // namespace
}  // namespace ember::cli
