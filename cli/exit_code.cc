#include "cli/exit_code.h"

#include <string>

#include "base/status.h"

namespace ember::cli {

int ExitCodeOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status).value_or("");
  if (reason == kReasonUnreachable) return kUnreachable;
  if (reason == kReasonInterrupted) return kInterrupted;
  if (reason == kReasonVmWentAway) return kVmWentAway;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return kWrongState;
    case absl::StatusCode::kResourceExhausted:
      return kExhausted;
    case absl::StatusCode::kDeadlineExceeded:
      return kDeadline;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kDenied;
    default:
      return kFailed;
  }
}

int ExecExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kDone;
  const std::string reason = ReasonOf(status).value_or("");
  if (reason == kReasonInterrupted) return kInterrupted;
  if (reason == kReasonCannotExecute) return kExecCannotExecute;
  if (reason == kReasonExecNotFound) return kExecNotFound;
  return kExecFailed;
}

}  // namespace ember::cli
