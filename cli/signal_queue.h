#pragma once

#include <initializer_list>
#include <optional>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace ember::cli {

// Signals as things to read instead of interruptions. Make it before the first thread: they
// inherit the mask that keeps the signals for it. The signals stay blocked for the rest of the
// process's life. Not thread-safe.
class SignalQueue {
 public:
  static absl::StatusOr<SignalQueue> Create(std::initializer_list<int> signals);

  // The next signal that has arrived, or nothing. Never blocks.
  std::optional<int> Next();
  // Readable while a signal waits.
  int fd() const { return fd_.get(); }

 private:
  explicit SignalQueue(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace ember::cli
