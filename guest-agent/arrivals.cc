#include "guest-agent/arrivals.h"

#include <sys/random.h>

#include <cerrno>
#include <utility>

#include "base/status.h"

namespace ember::agent {

Arrivals::~Arrivals() {
  for (const auto& [token, arrival] : waiting_) loop_.CancelTimer(arrival.timer);
}

absl::StatusOr<uint64_t> Arrivals::Add(UniqueFd connection,
                                       std::function<void(uint64_t token)> left) {
  uint64_t token = 0;
  // Not before the kernel has randomness, but without waiting for it.
  if (getrandom(&token, sizeof(token), GRND_NONBLOCK) != sizeof(token)) {
    return ErrnoStatus(errno, "getrandom");
  }
  const auto [arrival, is_new] =
      waiting_.try_emplace(token, Arrival{std::move(connection), std::move(left)});
  if (!is_new) return Internal("token {} is taken", token);
  arrival->second.timer = loop_.RunAfter(kPatience, [this, token] {
    const auto given_up = waiting_.extract(token);
    given_up.mapped().left(token);
  });
  return token;
}

absl::StatusOr<UniqueFd> Arrivals::Fetch(uint64_t token) {
  auto fetched = waiting_.extract(token);
  if (fetched.empty()) return NotFound("no connection waits under this token");
  loop_.CancelTimer(fetched.mapped().timer);
  fetched.mapped().left(token);
  return std::move(fetched.mapped().connection);
}

void Arrivals::Drop(uint64_t token) {
  const auto dropped = waiting_.extract(token);
  if (!dropped.empty()) loop_.CancelTimer(dropped.mapped().timer);
}

}  // namespace ember::agent
