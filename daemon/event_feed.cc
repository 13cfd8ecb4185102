#include "daemon/event_feed.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/status.h"

namespace ember::daemon {

void EventFeed::Next(uint64_t after, size_t limit, Cancellation cancellation,
                     Reply<std::vector<state::Event>> reply) {
  auto events = store_.EventsAfter(after, limit);
  if (!events.ok() || !events->empty()) return reply(std::move(events));
  if (cancellation.done()) return reply(cancellation.Check("events"));
  const uint64_t id = next_id_++;
  parked_.push_back({id, after, limit, cancellation, std::move(reply), nullptr});
  if (!cancellation.deadline.infinite()) {
    host_.PostAfter(cancellation.deadline.Remaining(), [this, id] { Drop(id); });
  }
  // The callback may run at once, on any thread: it only posts.
  parked_.back().on_stop = std::make_shared<std::stop_callback<std::function<void()>>>(
      cancellation.token, [this, id] { host_.Post([this, id] { Drop(id); }); });
}

void EventFeed::Publish() {
  std::list<Parked> waiting;
  waiting.swap(parked_);
  for (auto it = waiting.begin(); it != waiting.end();) {
    auto events = store_.EventsAfter(it->after, it->limit);
    if (events.ok() && events->empty()) {
      parked_.splice(parked_.end(), waiting, it++);
    } else {
      Parked ready = std::move(*it);
      it = waiting.erase(it);
      ready.reply(std::move(events));
    }
  }
}

void EventFeed::Drop(uint64_t id) {
  const auto found =
      std::find_if(parked_.begin(), parked_.end(), [id](const Parked& p) { return p.id == id; });
  if (found == parked_.end()) return;  // answered meanwhile
  Parked dropped = std::move(*found);
  parked_.erase(found);
  dropped.reply(dropped.cancellation.Check("events"));
}

void EventFeed::Clear() {
  std::list<Parked> dropped;
  dropped.swap(parked_);
}

}  // namespace ember::daemon
