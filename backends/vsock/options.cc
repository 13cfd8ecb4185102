#include "backends/vsock/options.h"

#include <charconv>
#include <limits>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vsock {
namespace {

constexpr std::string_view kUsage =
    R"(usage: ember-vsock-device --guest-cid N (--vhost-fd N | --vhost-socket PATH)
                          (--listen-fd N | --uds-path PATH) --forward-prefix PREFIX
                          [--log-level LEVEL]

Gives one QEMU guest a real AF_VSOCK socket device, without a kernel module and without root.

  --guest-cid N            the guest's CID, from 3 to 4294967294
  --vhost-fd N             a connected socket, the other end of which is QEMU's chardev
  --vhost-socket PATH      where to listen for QEMU
  --listen-fd N            a listening Unix socket for host programs
  --uds-path PATH          where to listen for host programs (mode 0600); removed at the end
  --forward-prefix PREFIX  a guest's connection to port P of the host goes to PREFIX_P
  --log-level LEVEL        trace, debug, info, warn or error (info)
  --version, --help

A host program connects, writes "CONNECT <port>\n" and reads "OK <number>\n".
Exit codes: 0 QEMU closed its end, 1 failed, 2 wrong usage.

example:
  ember-vsock-device --guest-cid 3 --vhost-socket /tmp/vm.vhost --uds-path /tmp/vm.sock \
    --forward-prefix /tmp/vm.sock
)";

constexpr uint32_t kFirstGuestCid = 3;
constexpr uint32_t kLastGuestCid = 0xfffffffe;

template <typename T>
absl::StatusOr<T> ParseNumber(std::string_view name, std::string_view text, T low, T high) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end || value < low || value > high) {
    return InvalidArgument("{} '{}': not a number from {} to {}", name, text, low, high);
  }
  return value;
}

absl::StatusOr<int> ParseFd(std::string_view name, std::string_view text) {
  return ParseNumber<int>(name, text, 0, std::numeric_limits<int>::max());
}

absl::Status Set(std::string_view name, std::string_view value, DeviceOptions& options) {
  if (name == "--guest-cid") {
    ASSIGN_OR_RETURN(options.guest_cid,
                     ParseNumber<uint32_t>(name, value, kFirstGuestCid, kLastGuestCid));
  } else if (name == "--vhost-fd") {
    ASSIGN_OR_RETURN(options.vhost_fd, ParseFd(name, value));
  } else if (name == "--vhost-socket") {
    options.vhost_socket = value;
  } else if (name == "--listen-fd") {
    ASSIGN_OR_RETURN(options.listen_fd, ParseFd(name, value));
  } else if (name == "--uds-path") {
    options.uds_path = value;
  } else if (name == "--forward-prefix") {
    options.forward_prefix = value;
  } else if (name == "--log-level") {
    const std::optional<LogLevel> level = ParseLogLevel(value);
    if (!level.has_value()) {
      return InvalidArgument("--log-level '{}': not one of trace, debug, info, warn, error", value);
    }
    options.log_level = *level;
  } else {
    return InvalidArgument("unknown option '{}'", name);
  }
  return absl::OkStatus();
}

absl::Status CheckComplete(const DeviceOptions& options) {
  if (options.guest_cid == 0) return InvalidArgument("--guest-cid is missing");
  if (options.vhost_fd.has_value() == !options.vhost_socket.empty()) {
    return InvalidArgument("one of --vhost-fd and --vhost-socket is needed");
  }
  if (options.listen_fd.has_value() == !options.uds_path.empty()) {
    return InvalidArgument("one of --listen-fd and --uds-path is needed");
  }
  if (options.forward_prefix.empty()) return InvalidArgument("--forward-prefix is missing");
  // The longest port number must fit too.
  return CheckSocketPath(options.forward_prefix + "_4294967295");
}

}  // namespace

absl::StatusOr<DeviceOptions> ParseDeviceOptions(const std::vector<std::string_view>& arguments) {
  DeviceOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view name = arguments[i];
    if (name == "--help" || name == "--version") {
      options.action =
          name == "--help" ? DeviceOptions::Action::kHelp : DeviceOptions::Action::kVersion;
      return options;
    }
    std::string_view value;
    if (const size_t equals = name.find('='); equals != std::string_view::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return InvalidArgument("{}: its value is missing", name);
    }
    RETURN_IF_ERROR(Set(name, value, options));
  }
  RETURN_IF_ERROR(CheckComplete(options));
  return options;
}

std::string_view DeviceUsage() { return kUsage; }

}  // namespace ember::vsock
