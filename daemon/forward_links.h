#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/byte_pump.h"
#include "base/event_loop.h"

namespace ember::daemon {

// The connections of one forward, from the moment that somebody connects to the end of the bytes.
// Bounded in number; counted where others can see it. Lives on `io`.
class ForwardLinks {
 public:
  static constexpr size_t kMost = 1024;

  // `io` outlives the object.
  ForwardLinks(EventLoop& io, std::shared_ptr<std::atomic<uint32_t>> count)
      : io_(io), count_(std::move(count)) {}
  ForwardLinks(const ForwardLinks&) = delete;
  ForwardLinks& operator=(const ForwardLinks&) = delete;
  // Cuts all of them.
  ~ForwardLinks();

  // Makes room for one that is being made; nothing while there are kMost.
  std::optional<uint64_t> Begin();
  // It is made: joins its two sides until they have ended.
  void Join(uint64_t id, BytePump::Sides sides);
  // It could not be made.
  void Drop(uint64_t id);

 private:
  EventLoop& io_;
  const std::shared_ptr<std::atomic<uint32_t>> count_;
  std::map<uint64_t, BytePump::Handle> pumps_;  // empty handles while they are being made
  uint64_t next_ = 0;
};

}  // namespace ember::daemon
