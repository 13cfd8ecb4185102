#include "guest-agent/guest_clock.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

constexpr size_t kMostEntropy = 512;

absl::Status SetSystemTime(absl::Time time) {
  const timespec value = absl::ToTimespec(time);
  if (clock_settime(CLOCK_REALTIME, &value) != 0) return ErrnoStatus(errno, "setting the clock");
  return absl::OkStatus();
}

absl::Status AddToPool(std::string_view entropy) {
  constexpr int kBitsOfByte = 8;
  const UniqueFd pool(open("/dev/urandom", O_WRONLY | O_CLOEXEC));
  if (!pool.valid()) return ErrnoStatus(errno, "/dev/urandom");
  // rand_pool_info: two counts, then the bytes in words of 32 bits.
  std::vector<uint32_t> request(2 + (entropy.size() + 3) / 4);
  const int counts[2] = {static_cast<int>(entropy.size()) * kBitsOfByte,
                         static_cast<int>(entropy.size())};
  static_assert(offsetof(rand_pool_info, buf) == sizeof counts);
  std::memcpy(request.data(), counts, sizeof counts);
  std::memcpy(request.data() + 2, entropy.data(), entropy.size());
  if (ioctl(pool.get(), RNDADDENTROPY, request.data()) != 0) {
    return ErrnoStatus(errno, "adding entropy");
  }
  return absl::OkStatus();
}

}  // namespace

ClockSetter ClockSetter::Real() { return {.set_time = SetSystemTime, .add_entropy = AddToPool}; }

absl::Status SetClock(const v1::SetClock& request, const ClockSetter& setter) {
  if (request.unix_ns() <= 0) {
    return InvalidArgument("SetClock: {} ns is no time after 1970", request.unix_ns());
  }
  if (request.entropy().size() > kMostEntropy) {
    return InvalidArgument("SetClock: {} bytes of entropy, over the limit of {}",
                           request.entropy().size(), kMostEntropy);
  }
  RETURN_IF_ERROR(setter.set_time(absl::FromUnixNanos(request.unix_ns())));
  return request.entropy().empty() ? absl::OkStatus() : setter.add_entropy(request.entropy());
}

}  // namespace ember::agent
