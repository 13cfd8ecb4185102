#include "guest-agent/joints.h"

#include <utility>

namespace ember::agent {

void Joints::Join(TakenSocket client, UniqueFd guest) {
  const uint64_t id = next_++;
  pumps_[id] = {};  // before the pump, which may end at once
  BytePump::Handle pump = BytePump::Start(loop_,
                                          {.left = std::move(client.fd),
                                           .right = std::move(guest),
                                           .left_to_right = std::move(client.received),
                                           .right_to_left = std::move(client.unsent)},
                                          [this, id] { pumps_.erase(id); });
  if (const auto open = pumps_.find(id); open != pumps_.end()) open->second = std::move(pump);
}

void Joints::Cut() {
  while (!pumps_.empty()) {
    const std::shared_ptr<BytePump> pump = pumps_.begin()->second.lock();
    if (pump == nullptr) {
      pumps_.erase(pumps_.begin());
    } else {
      pump->Abort();
    }
  }
}

}  // namespace ember::agent
