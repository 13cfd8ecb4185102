#include "backends/images/tool_environment.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace ember::images {
namespace {

std::string_view NameOf(std::string_view assignment) {
  return assignment.substr(0, assignment.find('='));
}

}  // namespace

std::vector<std::string> ToolEnvironment(const std::vector<std::string>& extra) {
  std::vector<std::string> result = extra;
  result.push_back("LC_ALL=C");
  const size_t fixed = result.size();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = NameOf(*entry);
    const bool replaced = std::any_of(result.begin(), result.begin() + fixed,
                                      [name](const auto& word) { return NameOf(word) == name; });
    if (!replaced) result.emplace_back(*entry);
  }
  return result;
}

}  // namespace ember::images
