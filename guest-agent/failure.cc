#include "guest-agent/failure.h"

#include "base/status.h"
#include "base/utf8.h"

namespace ember::agent {
namespace {

v1::Failure::Reason ReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
      return v1::Failure::VERSION;
    case absl::StatusCode::kInvalidArgument:
      return v1::Failure::BAD_REQUEST;
    case absl::StatusCode::kNotFound:
      return v1::Failure::NOT_FOUND;
    case absl::StatusCode::kFailedPrecondition:
      return v1::Failure::CANNOT_EXECUTE;
    case absl::StatusCode::kPermissionDenied:
      return v1::Failure::DENIED;
    case absl::StatusCode::kResourceExhausted:
      return v1::Failure::EXHAUSTED;
    case absl::StatusCode::kAlreadyExists:
      return v1::Failure::EXISTS;
    case absl::StatusCode::kUnavailable:
      return v1::Failure::REFUSED;
    default:
      return v1::Failure::INTERNAL;
  }
}

}  // namespace

v1::Failure FailureOf(const absl::Status& status) {
  v1::Failure failure;
  failure.set_reason(ReasonOf(status));
  failure.set_message(ToUtf8(Message(status)));
  return failure;
}

}  // namespace ember::agent
