#include "guest-agent/jobs.h"

#include <utility>

#include "base/status_macros.h"

namespace ember::agent {

absl::Status Jobs::Start(std::string_view name, Work work) {
  const uint64_t number = next_++;
  ASSIGN_OR_RETURN(auto job, workers_.Start(name, [this, number, work = std::move(work)](
                                                      const Cancellation& cancellation) mutable {
    std::move(work)(cancellation);
    return Workers::Finish([this, number] { running_.erase(number); });
  }));
  running_.emplace(number, std::move(job));
  return absl::OkStatus();
}

}  // namespace ember::agent
