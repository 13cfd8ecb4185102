#include "guest-agent/client_stream.h"

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/session_task.h"

namespace ember::agent {

using v1::ClientFrame;

absl::StatusOr<std::optional<ClientFrame>> ClientStream::Next() {
  while (true) {
    auto payload = frames_.Next();
    if (!payload.ok()) return InvalidArgument("{}", Message(payload.status()));
    if (!payload->has_value()) return std::nullopt;
    ClientFrame frame;
    if (!frame.ParseFromArray((*payload)->data(), static_cast<int>((*payload)->size()))) {
      return InvalidArgument("a frame of {} bytes is no ClientFrame", (*payload)->size());
    }
    if (frame.kind_case() == ClientFrame::KIND_NOT_SET) continue;
    RETURN_IF_ERROR(Check(frame));
    return frame;
  }
}

absl::Status ClientStream::Check(const ClientFrame& frame) {
  if (phase_ == Phase::kHello) return CheckHello(frame);
  const bool request = FindTask(frame.kind_case()) != nullptr;
  if (phase_ == Phase::kRequest) {
    if (!request) return InvalidArgument("the frame after Hello is no request");
    phase_ = Phase::kSession;
    return absl::OkStatus();
  }
  if (request || frame.has_hello()) return InvalidArgument("a second request on one connection");
  return absl::OkStatus();
}

absl::Status ClientStream::CheckHello(const ClientFrame& frame) {
  if (!frame.has_hello()) return InvalidArgument("the first frame is not Hello");
  const uint32_t major = frame.hello().version().major();
  if (major != kProtocolMajor) {
    return MakeStatus(absl::StatusCode::kUnimplemented,
                      "protocol version {} is not known here: this agent, {}, speaks version {}",
                      major, EMBER_VERSION, kProtocolMajor);
  }
  phase_ = Phase::kRequest;
  return absl::OkStatus();
}

}  // namespace ember::agent
