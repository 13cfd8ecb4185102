#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace ember::vsock {

// A log for events that a guest or a client can cause at will: at most kBurst lines in ten seconds,
// then one that says how many were left out. Not thread-safe.
class RateLimitedLog {
 public:
  explicit RateLimitedLog(Log log) : log_(std::move(log)) {}

  void Warn(std::string_view event, Log::Fields fields = {});

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr uint32_t kBurst = 10;

  Log log_;
  Clock::time_point window_start_{};
  uint32_t in_window_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace ember::vsock
