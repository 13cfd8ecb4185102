#include "daemon/forward_links.h"

#include <utility>

namespace ember::daemon {

ForwardLinks::~ForwardLinks() {
  while (!pumps_.empty()) {
    const uint64_t id = pumps_.begin()->first;
    if (const auto pump = pumps_.begin()->second.lock(); pump != nullptr) pump->Abort();
    Drop(id);  // unless the end of the pump did
  }
}

std::optional<uint64_t> ForwardLinks::Begin() {
  if (pumps_.size() >= kMost) return std::nullopt;
  ++*count_;
  pumps_[next_] = {};
  return next_++;
}

void ForwardLinks::Join(uint64_t id, BytePump::Sides sides) {
  BytePump::Handle pump = BytePump::Start(io_, std::move(sides), [this, id] { Drop(id); });
  // It may have ended already.
  if (const auto link = pumps_.find(id); link != pumps_.end()) link->second = std::move(pump);
}

void ForwardLinks::Drop(uint64_t id) {
  if (pumps_.erase(id) > 0) --*count_;
}

}  // namespace ember::daemon
