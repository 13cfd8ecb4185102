#include "guest-agent/environment.h"

#include <unistd.h>

#include "base/status.h"

namespace ember::agent {

Environment DefaultEnvironment(const Account& account, std::optional<std::string_view> term) {
  Environment environment = {{"PATH", std::string(kDefaultPath)},
                             {"HOME", account.home},
                             {"USER", account.name},
                             {"LOGNAME", account.name},
                             {"SHELL", account.shell}};
  if (term.has_value()) environment.emplace("TERM", *term);
  return environment;
}

Environment OwnEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view word = *entry;
    const size_t equals = word.find('=');
    if (equals == 0 || equals == std::string_view::npos) continue;
    environment.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
  return environment;
}

absl::StatusOr<std::vector<std::string>> ToWords(const Environment& environment) {
  std::vector<std::string> words;
  words.reserve(environment.size());
  for (const auto& [name, value] : environment) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return InvalidArgument("'{}' is no name for an environment variable", name);
    }
    if (value.find('\0') != std::string::npos) {
      return InvalidArgument("environment variable {} has a NUL byte in its value", name);
    }
    words.push_back(fmt::format("{}={}", name, value));
  }
  return words;
}

}  // namespace ember::agent
