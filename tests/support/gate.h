#pragma once

#include <atomic>
#include <chrono>
#include <future>

namespace ember::testing {

// Something that another thread lets happen: it opens the gate, the test waits at it, for ten
// seconds at most. Opening it twice is the same as once.
class Gate {
 public:
  void Open() {
    if (!opened_.exchange(true)) promise_.set_value();
  }
  bool WaitOpen() {
    return future_.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  }
  // Whether it is open by now.
  bool IsOpen() const { return opened_; }

 private:
  std::atomic<bool> opened_{false};
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

}  // namespace ember::testing
