#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "guest-agent/account.h"

namespace ember::agent {

// NAME to value.
using Environment = std::map<std::string, std::string>;

inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What a session of `account` starts with: PATH, HOME, USER, LOGNAME, SHELL, and TERM where `term`
// is given.
Environment DefaultEnvironment(const Account& account, std::optional<std::string_view> term);

// Our own, as a base for children that inherit it.
Environment OwnEnvironment();

// "NAME=value" each, as execve(2) takes them. InvalidArgument for a name that is empty or has '='
// or NUL in it, and for a value with NUL.
absl::StatusOr<std::vector<std::string>> ToWords(const Environment& environment);

}  // namespace ember::agent
