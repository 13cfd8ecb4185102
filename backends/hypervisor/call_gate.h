#pragma once

#include <atomic>

namespace ember::hypervisor {

// Lets one thread call into an object that another thread destroys: a call starts only while the
// gate is open, and closing it waits for a call under way. One calling thread, one closing thread.
class CallGate {
 public:
  // Runs `call` unless the gate is closed. Calls do not nest.
  template <typename Call>
  void Enter(Call&& call) {
    int expected = kOpen;
    if (!state_.compare_exchange_strong(expected, kCalling)) return;
    call();
    // A call that closed the gate itself leaves it closed.
    expected = kCalling;
    state_.compare_exchange_strong(expected, kOpen);
    state_.notify_all();
  }

  // After this no call starts and none is under way, except the caller's own: `from_inside` says
  // that this thread is the calling one.
  enum class From { kCallingThread, kElsewhere };
  void Close(From from) {
    if (from == From::kCallingThread) {
      state_ = kClosed;
      return;
    }
    int expected = kOpen;
    while (!state_.compare_exchange_strong(expected, kClosed) && expected != kClosed) {
      state_.wait(kCalling);
      expected = kOpen;
    }
  }

 private:
  static constexpr int kOpen = 0;
  static constexpr int kCalling = 1;
  static constexpr int kClosed = 2;
  std::atomic<int> state_{kOpen};
};

}  // namespace ember::hypervisor
