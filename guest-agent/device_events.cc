#include "guest-agent/device_events.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace ember::agent {
namespace {

// An event may be lost when too many come at once: so often `holds` is asked without one.
constexpr absl::Duration kTurn = absl::Milliseconds(500);

// The kernel's events, readable from now on. Invalid where there are none.
UniqueFd DeviceEvents() {
  UniqueFd events(
      socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    events.Reset();
  }
  return events;
}

absl::Status WaitForEvent(const UniqueFd& events, const Cancellation& cancellation) {
  if (!events.valid()) return cancellation.Pause(kTurn / 10, "devices");
  const absl::Status came = cancellation.Within(kTurn).WaitReadable(events.get(), "devices");
  std::array<char, 8192> event;
  while (came.ok() && recv(events.get(), event.data(), event.size(), 0) > 0) {
  }
  return cancellation.Check("devices");
}

}  // namespace

absl::Status AwaitDevices(const std::function<bool()>& holds, const Cancellation& cancellation) {
  if (holds()) return absl::OkStatus();
  const UniqueFd events = DeviceEvents();
  // What came before the events were listened to is seen by the first look.
  while (!holds()) RETURN_IF_ERROR(WaitForEvent(events, cancellation));
  return absl::OkStatus();
}

}  // namespace ember::agent
