#include "backends/vsock/rate_limited_log.h"

#include <string>

namespace ember::vsock {

void RateLimitedLog::Warn(std::string_view event, Log::Fields fields) {
  const Clock::time_point now = Clock::now();
  if (now - window_start_ > std::chrono::seconds(10)) {
    if (left_out_ > 0) log_.Warn("log lines left out", {{"count", std::to_string(left_out_)}});
    window_start_ = now;
    in_window_ = 0;
    left_out_ = 0;
  }
  if (in_window_ == kBurst) {
    ++left_out_;
    return;
  }
  ++in_window_;
  log_.Warn(event, std::move(fields));
}

}  // namespace ember::vsock
