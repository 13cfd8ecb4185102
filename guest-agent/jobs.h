#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/workers.h"

namespace ember::agent {

// Blocking work that nobody on the loop waits for, because it has taken its client's socket along.
// What still runs when the object goes is asked to stop. Lives on the loop.
class Jobs {
 public:
  // Comes back soon after its cancellation is requested.
  using Work = absl::AnyInvocable<void(const Cancellation&) &&>;

  // `workers` outlives the object.
  explicit Jobs(Workers& workers) : workers_(workers) {}
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // `name` is the thread's. ResourceExhausted when too many run already.
  absl::Status Start(std::string_view name, Work work);

 private:
  Workers& workers_;
  uint64_t next_ = 1;
  std::map<uint64_t, std::unique_ptr<Workers::Job>> running_;
};

}  // namespace ember::agent
