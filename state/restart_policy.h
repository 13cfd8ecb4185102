#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace ember::state {

// What follows when a VM's machine ends by itself. A stop that somebody asked for is never answered
// by a start.
enum class RestartPolicy {
  kNo,         // it stays off
  kOnFailure,  // started again unless the guest powered off in order
  kAlways,     // started again whatever the end was
};

inline constexpr std::array kAllRestartPolicies = {RestartPolicy::kNo, RestartPolicy::kOnFailure,
                                                   RestartPolicy::kAlways};

// "no", "on-failure", "always": the words of the database, the events and the command line.
std::string_view RestartPolicyName(RestartPolicy policy);

// The reverse; nothing for another word.
std::optional<RestartPolicy> ParseRestartPolicy(std::string_view word);

}  // namespace ember::state
