#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/event_loop.h"

namespace ember::cli {

// Writes to a descriptor that other processes may share (so it is not made non-blocking) without
// ever blocking the loop: a reader that is slow delays the answer, nothing else. Lives on `loop`.
class OutputStream {
 public:
  using Written = std::function<void(const absl::Status& status)>;

  OutputStream(EventLoop& loop, int fd);
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;
  ~OutputStream();

  // Calls `written` once all is written or has failed, maybe before it returns. Unavailable: the
  // reader is gone (EPIPE; SIGPIPE must be ignored). Not while an earlier Write is unanswered.
  void Write(std::string bytes, Written written);

 private:
  enum class Kind { kRegular, kSocket, kOther };
  // Writes what fits now; the number of bytes, or -1 with errno (EAGAIN when nothing fits).
  ssize_t WriteSome(std::string_view bytes) const;
  void Continue();
  void Answer(const absl::Status& status);
  void AwaitWritable();

  EventLoop& loop_;
  const int fd_;  // borrowed
  Kind kind_;
  std::string bytes_;
  size_t start_ = 0;  // of what is unwritten in bytes_
  Written written_;
  bool watched_ = false;
};

}  // namespace ember::cli
