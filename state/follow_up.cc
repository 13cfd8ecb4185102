#include "state/follow_up.h"

#include "base/check.h"

namespace ember::state {

std::string_view FollowUpName(FollowUp follow_up) {
  switch (follow_up) {
    case FollowUp::kNone:
      return "none";
    case FollowUp::kStart:
      return "start";
    case FollowUp::kRestart:
      return "restart";
    case FollowUp::kDelete:
      return "delete";
  }
  EMBER_CHECK(false);
}

std::optional<FollowUp> ParseFollowUp(std::string_view word) {
  for (const FollowUp follow_up : kAllFollowUps) {
    if (FollowUpName(follow_up) == word) return follow_up;
  }
  return std::nullopt;
}

}  // namespace ember::state
