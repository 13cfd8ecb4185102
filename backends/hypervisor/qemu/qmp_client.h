#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

namespace ember::hypervisor {

// One conversation with QEMU's control socket (QMP, docs/interop/qmp-spec of QEMU): a JSON object a
// line, a greeting first, then a reply for every command, events in between. QEMU talks to one
// client at a time and lets the others wait, so a conversation is opened for an operation and
// closed after it. Blocks; move-only; not thread-safe.
class QmpClient {
 public:
  // Connects, waits for the greeting and ends the negotiation. Unavailable when QEMU is gone,
  // DataLoss when the other side does not speak QMP.
  static absl::StatusOr<QmpClient> Connect(const std::filesystem::path& socket,
                                           const Cancellation& cancellation);

  // Runs a command and answers its "return". An error reply is Internal, NotFound for class
  // DeviceNotFound, naming command, class and description.
  absl::StatusOr<nlohmann::json> Execute(std::string_view command, const nlohmann::json& arguments,
                                         const Cancellation& cancellation);
  // The same for a command without arguments whose answer does not matter.
  absl::Status Execute(std::string_view command, const Cancellation& cancellation);

  // Hands QEMU a copy of `fd` (borrowed), which commands then call `name` (getfd).
  absl::Status PassDescriptor(std::string_view name, int fd, const Cancellation& cancellation);

  // Waits for an event about the device `id`; one that came during an earlier command of this
  // conversation counts.
  absl::Status WaitForDeviceEvent(std::string_view event, std::string_view id,
                                  const Cancellation& cancellation);

 private:
  explicit QmpClient(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::StatusOr<nlohmann::json> ReadObject(const Cancellation& cancellation);
  absl::StatusOr<nlohmann::json> ReadReply(std::string_view command,
                                           const Cancellation& cancellation);
  void Remember(const nlohmann::json& event);

  UniqueFd fd_;
  std::string buffer_;               // read and not yet taken apart
  std::vector<std::string> events_;  // "<event> <device>" of this conversation
};

}  // namespace ember::hypervisor
