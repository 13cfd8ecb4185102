#include "guest-agent/client_stream.h"

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::agent {
namespace {

using v1::ClientFrame;

absl::Status CheckSize(uint32_t rows, uint32_t columns) {
  if (rows <= UINT16_MAX && columns <= UINT16_MAX) return absl::OkStatus();
  return InvalidArgument("a terminal of {} rows and {} columns is over the limit of 65535", rows,
                         columns);
}

absl::Status CheckStart(const v1::ExecStart& start) {
  if (start.argv().empty()) return InvalidArgument("ExecStart has no argv");
  if (!start.cwd().empty() && start.cwd().front() != '/') {
    return InvalidArgument("the working directory '{}' is not absolute", start.cwd());
  }
  return start.has_tty() ? CheckSize(start.tty().rows(), start.tty().columns()) : absl::OkStatus();
}

}  // namespace

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
  switch (phase_) {
    case Phase::kHello:
      return CheckHello(frame);
    case Phase::kRequest:
      return CheckRequest(frame);
    case Phase::kSession:
      return CheckSession(frame);
    case Phase::kOver:
      break;
  }
  return InvalidArgument("a frame follows Shutdown");
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

absl::Status ClientStream::CheckRequest(const ClientFrame& frame) {
  if (frame.has_shutdown()) {
    phase_ = Phase::kOver;
    return absl::OkStatus();
  }
  if (!frame.has_exec_start()) return InvalidArgument("neither ExecStart nor Shutdown after Hello");
  phase_ = Phase::kSession;
  return CheckStart(frame.exec_start());
}

absl::Status ClientStream::CheckSession(const ClientFrame& frame) {
  switch (frame.kind_case()) {
    case ClientFrame::kStdinData:
      return CheckInput(frame);
    case ClientFrame::kStdinEnd:
      input_ended_ = true;
      return absl::OkStatus();
    case ClientFrame::kResize:
      return CheckSize(frame.resize().rows(), frame.resize().columns());
    case ClientFrame::kSignal:
      if (frame.signal().number() >= 1 && frame.signal().number() <= 64) return absl::OkStatus();
      return InvalidArgument("signal {} is not from 1 to 64", frame.signal().number());
    default:
      return InvalidArgument("a second request on one connection");
  }
}

absl::Status ClientStream::CheckInput(const ClientFrame& frame) {
  const size_t size = frame.stdin_data().payload().size();
  if (input_ended_) return InvalidArgument("StdinData follows StdinEnd");
  if (size > kMaxPayload) {
    return InvalidArgument("StdinData of {} bytes is over the limit of {}", size, kMaxPayload);
  }
  if (size > credit_) {
    return InvalidArgument("StdinData of {} bytes is over the credit of {}", size, credit_);
  }
  credit_ -= size;
  return absl::OkStatus();
}

}  // namespace ember::agent
