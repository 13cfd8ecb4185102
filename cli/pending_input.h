#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "cli/terminal.h"

namespace ember::cli {

// What is still to be sent to a process in a VM, the most urgent first: signals, the size of its
// terminal, then its input as far as the guest has room for it (credit), at last that this has
// ended. Not thread-safe.
class PendingInput {
 public:
  enum class Stdin { kForwarded, kNone };

  explicit PendingInput(Stdin stdin_is) : ended_(stdin_is == Stdin::kNone) {}

  void AddSignal(int signal) { signals_.push_back(signal); }
  bool has_signals() const { return !signals_.empty(); }
  void SetResized() { resized_ = true; }
  void AddCredit(uint64_t bytes) { credit_ += bytes; }
  // What was read for it; nothing: that was all.
  void Add(std::string bytes) {
    if (bytes.empty()) ended_ = true;
    bytes_ = std::move(bytes);
  }
  // It takes no input, and need not be told that there is none.
  void Close() { ended_ = end_sent_ = true; }

  // Whether more is to be read: nothing is taken from our input that the guest has no room for.
  bool wants_more() const { return !ended_ && bytes_.empty() && credit_ > 0; }

  // Puts the next thing into `request`, a message of ExecRequest's steps. False when there is
  // nothing to send now.
  template <typename Request>
  bool TakeNext(Request& request) {
    if (!signals_.empty()) {
      request.set_signal(static_cast<uint32_t>(signals_.front()));
      signals_.pop_front();
    } else if (std::exchange(resized_, false)) {
      const WindowSize size = OurWindowSize();
      request.mutable_resize()->set_rows(size.rows);
      request.mutable_resize()->set_columns(size.columns);
    } else if (!bytes_.empty()) {
      if (credit_ == 0) return false;
      const size_t size = std::min<uint64_t>(bytes_.size(), credit_);
      credit_ -= size;
      request.set_stdin_data(bytes_.substr(0, size));
      bytes_.erase(0, size);
    } else if (ended_ && !std::exchange(end_sent_, true)) {
      request.set_stdin_end(true);
    } else {
      return false;
    }
    return true;
  }

 private:
  std::deque<int> signals_;
  bool resized_ = false;
  std::string bytes_;    // read, not yet sent
  uint64_t credit_ = 0;  // so many bytes of them the guest has room for
  bool ended_;
  bool end_sent_ = false;
};

}  // namespace ember::cli
