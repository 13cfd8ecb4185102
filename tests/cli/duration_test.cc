#include "cli/duration.h"

#include "base/status.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace ember::cli {
namespace {

using testing::ValueOf;

TEST_CASE("a duration without a unit is in seconds", "[cli][duration]") {
  CHECK(ValueOf(ParseDuration("30")) == absl::Seconds(30));
  CHECK(ValueOf(ParseDuration("0")) == absl::ZeroDuration());
  CHECK(ValueOf(ParseDuration("1.5")) == absl::Milliseconds(1500));
}

TEST_CASE("a duration may have units", "[cli][duration]") {
  CHECK(ValueOf(ParseDuration("250ms")) == absl::Milliseconds(250));
  CHECK(ValueOf(ParseDuration("1h30m")) == absl::Minutes(90));
}

TEST_CASE("what is no finite, positive time is refused", "[cli][duration]") {
  for (const char* text : {"", "x", "5x", "-5", "-1s", "inf", ".", "1 2"}) {
    INFO(text);
    CHECK(ParseDuration(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a time to live has a unit", "[cli][duration]") {
  CHECK(ValueOf(ParseTimeToLive("45s")) == absl::Seconds(45));
  CHECK(ValueOf(ParseTimeToLive("90m")) == absl::Minutes(90));
  CHECK(ValueOf(ParseTimeToLive("2h")) == absl::Hours(2));
  CHECK(ValueOf(ParseTimeToLive("1d12h")) == absl::Hours(36));
  CHECK(ValueOf(ParseTimeToLive("36500d")) == absl::Hours(24 * 36500));
  CHECK(Message(ParseTimeToLive("90").status()) ==
        "bare number '90' requires a unit suffix (e.g., 90s, 90m or 90h)");
}

TEST_CASE("a time to live that is no such time is refused", "[cli][duration]") {
  for (const char* text : {"", "h", "2x", "-2h", "+2h", "1.5h", "2h 3m", "2h3", "h2", "2H"}) {
    INFO(text);
    CHECK(Message(ParseTimeToLive(text).status()) ==
          "duration '" + std::string(text) + "' is not a time (e.g., 45s, 90m, 2h or 1d12h)");
  }
  CHECK(Message(ParseTimeToLive("0s").status()) == "duration '0s' is less than a second");
  for (const char* text : {"36501d", "99999999999999999999h", "9223372036854775807d1s"}) {
    INFO(text);
    CHECK(Message(ParseTimeToLive(text).status()) ==
          "duration '" + std::string(text) + "' is too long (at most 36500d)");
  }
}

TEST_CASE("remaining time is shown in its two largest units", "[cli][duration]") {
  CHECK(FormatRemaining(absl::Seconds(45)) == "45s");
  CHECK(FormatRemaining(absl::Seconds(7199)) == "1h59m");
  CHECK(FormatRemaining(absl::Hours(51) + absl::Minutes(3)) == "2d3h");
  CHECK(FormatRemaining(absl::Hours(24) + absl::Minutes(3)) == "1d");
  CHECK(FormatRemaining(absl::Milliseconds(300)) == "0s");
  CHECK(FormatRemaining(-absl::Hours(1)) == "0s");
}

TEST_CASE("elapsed time is shown in the unit a person reads", "[cli][duration]") {
  CHECK(FormatElapsed(absl::Milliseconds(1240)) == "1.2s");
  CHECK(FormatElapsed(absl::Seconds(125)) == "2m05s");
}

}  // namespace
}  // namespace ember::cli
