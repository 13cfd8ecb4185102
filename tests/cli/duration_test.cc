#include "cli/duration.h"

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

TEST_CASE("elapsed time is shown in the unit a person reads", "[cli][duration]") {
  CHECK(FormatElapsed(absl::Milliseconds(1240)) == "1.2s");
  CHECK(FormatElapsed(absl::Seconds(125)) == "2m05s");
}

}  // namespace
}  // namespace ember::cli
