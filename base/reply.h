#pragma once

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/check.h"

namespace ember {

// The promise to answer one question exactly once. Move-only: whoever holds it owes the answer.
// Answering twice is a broken invariant (CHECK). A reply that is destroyed unanswered answers
// Cancelled by itself, so that a caller never waits for ever; that happens only when a sequence is
// shut down with work in its queue. The callback runs on the answering thread and must not block.
// Not thread-safe; may be moved between threads.
template <typename T>
class Reply {
 public:
  using Result = absl::StatusOr<T>;
  using Callback = absl::AnyInvocable<void(Result) &&>;

  Reply() = default;
  explicit Reply(Callback callback) : callback_(std::move(callback)) {}
  Reply(Reply&& other) noexcept : callback_(std::exchange(other.callback_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept {
    if (this != &other) {
      Drop();
      callback_ = std::exchange(other.callback_, nullptr);
    }
    return *this;
  }
  ~Reply() { Drop(); }

  // True until answered or moved away.
  bool pending() const { return callback_ != nullptr; }

  void operator()(Result result) {
    EMBER_CHECK(callback_ != nullptr);
    std::exchange(callback_, nullptr)(std::move(result));
  }

 private:
  void Drop() {
    if (callback_ != nullptr) (*this)(absl::CancelledError("shutting down"));
  }

  Callback callback_ = nullptr;
};

// For answers that carry no value beside success.
struct Done {
  friend bool operator==(const Done&, const Done&) = default;
};

}  // namespace ember
