#include "guest-agent/input_gate.h"

#include "base/status.h"
#include "guest-agent/client_stream.h"

namespace ember::agent {

using v1::ClientFrame;

absl::Status CheckSize(uint32_t rows, uint32_t columns) {
  if (rows <= UINT16_MAX && columns <= UINT16_MAX) return absl::OkStatus();
  return InvalidArgument("a terminal of {} rows and {} columns is over the limit of 65535", rows,
                         columns);
}

absl::Status CheckSignal(uint32_t number) {
  if (number >= 1 && number <= 64) return absl::OkStatus();
  return InvalidArgument("signal {} is not from 1 to 64", number);
}

absl::Status InputGate::Check(const ClientFrame& frame) {
  switch (frame.kind_case()) {
    case ClientFrame::kStdinData:
      return CheckData(frame.stdin_data().payload().size());
    case ClientFrame::kStdinEnd:
      ended_ = true;
      return absl::OkStatus();
    case ClientFrame::kResize:
      return CheckSize(frame.resize().rows(), frame.resize().columns());
    case ClientFrame::kSignal:
      return CheckSignal(frame.signal().number());
    default:
      return InvalidArgument("a frame that does not belong to a process");
  }
}

absl::Status InputGate::CheckData(size_t size) {
  if (ended_) return InvalidArgument("StdinData follows StdinEnd");
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
