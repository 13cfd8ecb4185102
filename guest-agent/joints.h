#pragma once

#include <cstdint>
#include <map>

#include "base/byte_pump.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "guest-agent/taken_socket.h"

namespace ember::agent {

// The streams that are open: clients joined to sockets of the guest, each until both have ended.
// Lives on the loop.
class Joints {
 public:
  // `loop` outlives the object.
  explicit Joints(EventLoop& loop) : loop_(loop) {}
  Joints(const Joints&) = delete;
  Joints& operator=(const Joints&) = delete;
  ~Joints() { Cut(); }

  // Joins a client to `guest`, a connected, non-blocking stream socket.
  void Join(TakenSocket client, UniqueFd guest);
  // Closes all of them now.
  void Cut();

 private:
  EventLoop& loop_;
  std::map<uint64_t, BytePump::Handle> pumps_;
  uint64_t next_ = 0;
};

}  // namespace ember::agent
