#include "state/restart_policy.h"

#include "tests/support/catch.h"

namespace ember::state {
namespace {

TEST_CASE("every restart policy is read back from its word", "[state][restart_policy]") {
  for (const RestartPolicy policy : kAllRestartPolicies) {
    CHECK(ParseRestartPolicy(RestartPolicyName(policy)) == policy);
  }
  CHECK(RestartPolicyName(RestartPolicy::kOnFailure) == "on-failure");
  for (const char* word : {"", "never", "No", "on_failure", "always "}) {
    CHECK(ParseRestartPolicy(word) == std::nullopt);
  }
}

}  // namespace
}  // namespace ember::state
