#include "state/restart_policy.h"

#include "base/check.h"

namespace ember::state {

std::string_view RestartPolicyName(RestartPolicy policy) {
  switch (policy) {
    case RestartPolicy::kNo:
      return "no";
    case RestartPolicy::kOnFailure:
      return "on-failure";
    case RestartPolicy::kAlways:
      return "always";
  }
  EMBER_CHECK(false);
}

std::optional<RestartPolicy> ParseRestartPolicy(std::string_view word) {
  for (const RestartPolicy policy : kAllRestartPolicies) {
    if (RestartPolicyName(policy) == word) return policy;
  }
  return std::nullopt;
}

}  // namespace ember::state
