#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/check.h"
#include "base/reply.h"
#include "base/unique_fd.h"

namespace ember {

// Lets a thread that may block wait for an answer that comes on another one: hand out reply(), then
// Wait. An answer that comes after Wait gave up is dropped. One question, one use.
template <typename T>
class Awaited {
 public:
  Awaited() : shared_(std::make_shared<Shared>()) { EMBER_CHECK(shared_->ready.valid()); }

  // The promise to answer; call once.
  Reply<T> reply() {
    return Reply<T>([shared = shared_](absl::StatusOr<T> result) {
      shared->result.emplace(std::move(result));
      eventfd_write(shared->ready.get(), 1);
    });
  }

  // The answer, or why it was not waited for any longer. Blocks: never on `io` or `host`.
  absl::StatusOr<T> Wait(const Cancellation& cancellation, std::string_view what) {
    absl::Status status = cancellation.WaitReadable(shared_->ready.get(), what);
    if (!status.ok()) return status;
    // The eventfd orders the write of `result` before this read, for the kernel and, read
    // explicitly, for sanitizers.
    eventfd_t ignored;
    eventfd_read(shared_->ready.get(), &ignored);
    return *std::move(shared_->result);
  }

 private:
  // Shared because the answer may outlive the wait.
  struct Shared {
    UniqueFd ready{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::optional<absl::StatusOr<T>> result;
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace ember
