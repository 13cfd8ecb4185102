#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <stop_token>
#include <vector>

#include "base/cancellation.h"
#include "base/reply.h"
#include "base/sequence.h"
#include "state/store.h"

namespace ember::daemon {

// Hands lifecycle events to those who follow them. Readers pull: each asks for what comes after the
// last event it has, so a slow reader costs nothing but its own question, and one that reconnects
// goes on where it was. Lives on `host`.
class EventFeed {
 public:
  EventFeed(Sequence& host, state::Store& store) : host_(host), store_(store) {}

  // Up to `limit` events after `after`; waits for the first one. OutOfRange when some of them have
  // been dropped by now; Cancelled or DeadlineExceeded when `cancellation` ends the wait.
  void Next(uint64_t after, size_t limit, Cancellation cancellation,
            Reply<std::vector<state::Event>> reply);

  // Answers those who wait; call after every commit that may have added events.
  void Publish();
  // Sends all who wait away (Cancelled): the host ends.
  void Clear();

 private:
  struct Parked {
    uint64_t id;
    uint64_t after;
    size_t limit;
    Cancellation cancellation;
    Reply<std::vector<state::Event>> reply;
    std::shared_ptr<void> on_stop;  // the stop_callback, type erased
  };

  void Drop(uint64_t id);

  Sequence& host_;
  state::Store& store_;
  std::list<Parked> parked_;
  uint64_t next_id_ = 1;
};

}  // namespace ember::daemon
