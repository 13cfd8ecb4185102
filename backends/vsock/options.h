#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"

namespace ember::vsock {

// The command line of ember-vsock-device.
struct DeviceOptions {
  enum class Action { kRun, kHelp, kVersion };
  Action action = Action::kRun;
  uint32_t guest_cid = 0;
  std::optional<int> vhost_fd;  // exactly one of these two
  std::string vhost_socket;
  std::optional<int> listen_fd;  // exactly one of these two
  std::string uds_path;
  std::string forward_prefix;
  LogLevel log_level = LogLevel::kInfo;

  friend bool operator==(const DeviceOptions&, const DeviceOptions&) = default;
};

// Parses the arguments behind the program's name, each as "--name value" or "--name=value".
// InvalidArgument, with what to type instead, when one is unknown, wrong or missing.
absl::StatusOr<DeviceOptions> ParseDeviceOptions(const std::vector<std::string_view>& arguments);

// The text of --help.
std::string_view DeviceUsage();

}  // namespace ember::vsock
