#include "guest-agent/guest_identity.h"
#include "guest-agent/json/operation.h"

namespace ember::agent {

std::unique_ptr<Operation> StartPing(const Context&, const nlohmann::json&, Answer answer) {
  answer(TextOf({{"ok", true}, {"uptime_seconds", UptimeSeconds()}}));
  return nullptr;
}

}  // namespace ember::agent
