#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace ember::state {

// What is to be done once a VM is off. Stored with the change that is its reason, so a crash in
// between does not forget it.
enum class FollowUp {
  kNone,     // nothing: set when a start is through, and by a verb that takes an earlier one back
  kStart,    // set by the verb restart before the machine is stopped, and by a create that is to
             // start its VM once the disk is there; next: a start, at once
  kRestart,  // set by the restart policy when the machine has ended; next: a start after its
             // back-off
  kDelete,   // set when the time to live ran out, or the machine of a VM that is to be removed with
             // it ends; next: a delete
};

inline constexpr std::array kAllFollowUps = {FollowUp::kNone, FollowUp::kStart, FollowUp::kRestart,
                                             FollowUp::kDelete};

// Whether the VM is to be started.
constexpr bool LeadsToStart(FollowUp follow_up) {
  return follow_up == FollowUp::kStart || follow_up == FollowUp::kRestart;
}

// "none", "start", "restart", "delete": the words of the database.
std::string_view FollowUpName(FollowUp follow_up);

// The reverse; nothing for another word.
std::optional<FollowUp> ParseFollowUp(std::string_view word);

}  // namespace ember::state
