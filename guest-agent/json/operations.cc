#include <array>
#include <utility>

#include "guest-agent/json/operation.h"

namespace ember::agent {
namespace {

constexpr std::array<std::pair<std::string_view, StartOperation>, 2> kOperations = {{
    {"exec", &StartExec},
    {"ping", &StartPing},
}};

}  // namespace

StartOperation FindOperation(std::string_view op) {
  for (const auto& [name, start] : kOperations) {
    if (name == op) return start;
  }
  return nullptr;
}

}  // namespace ember::agent
