#include "state/follow_up.h"

#include "tests/support/catch.h"

namespace ember::state {
namespace {

TEST_CASE("every follow-up is read back from its word", "[state][follow_up]") {
  for (const FollowUp follow_up : kAllFollowUps) {
    CHECK(ParseFollowUp(FollowUpName(follow_up)) == follow_up);
  }
  CHECK(FollowUpName(FollowUp::kDelete) == "delete");
  for (const char* word : {"", "stop", "None"}) CHECK(ParseFollowUp(word) == std::nullopt);
}

}  // namespace
}  // namespace ember::state
