#pragma once

#include <functional>
#include <string>

#include "base/event_loop.h"

namespace ember::cli {

// Reads a descriptor that other processes may share (so it is not made non-blocking) a piece at a
// time, and only when asked: nobody's input is taken before it can be passed on. Lives on `loop`.
class InputStream {
 public:
  // One piece of input; empty at its end, which is also what a read error counts as.
  using Taken = std::function<void(std::string bytes)>;

  InputStream(EventLoop& loop, int fd) : loop_(loop), fd_(fd) {}
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;
  ~InputStream() { Stop(); }

  // Calls `taken` once, when there is input. Not while an earlier Read is unanswered.
  void Read(Taken taken);
  // Whether a Read is unanswered.
  bool reading() const { return taken_ != nullptr; }
  // Drops an unanswered Read and watches the descriptor no more.
  void Stop();

 private:
  void OnReady();

  EventLoop& loop_;
  const int fd_;  // borrowed
  Taken taken_;
  enum class Polling { kUntried, kWatched, kImpossible } polling_ = Polling::kUntried;
};

}  // namespace ember::cli
