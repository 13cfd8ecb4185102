#pragma once

#include "absl/status/status.h"

// What a process's end tells a script. DESIGN.md section 5.
namespace ember::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;
inline constexpr int kNotFound = 4;
inline constexpr int kWrongState = 5;  // or it exists already
inline constexpr int kExhausted = 6;
inline constexpr int kDeadline = 7;
inline constexpr int kDenied = 8;
inline constexpr int kVmWentAway = 9;
inline constexpr int kInterrupted = 130;

// `ember exec` only, apart from the guest's own codes and 128 + n for its signals.
inline constexpr int kExecTimedOut = 124;
inline constexpr int kExecFailed = 125;  // every failure that is not the command's
inline constexpr int kExecCannotExecute = 126;
inline constexpr int kExecNotFound = 127;

// Reasons (base/status.h) that decide the exit code. The first two come from this program, the
// others from the daemon.
inline constexpr const char* kReasonUnreachable = "DAEMON_UNREACHABLE";
inline constexpr const char* kReasonInterrupted = "INTERRUPTED";
inline constexpr const char* kReasonVmWentAway = "VM_WENT_AWAY";
inline constexpr const char* kReasonCannotExecute = "EXEC_CANNOT_EXECUTE";
inline constexpr const char* kReasonExecNotFound = "EXEC_NOT_FOUND";

// The exit code of a command that ended with `status`.
int ExitCodeOf(const absl::Status& status);
// The same for `ember exec`: its guest's codes must stay recognisable, so all else is 125 to 127,
// or 130 when the user interrupted it.
int ExecExitCodeOf(const absl::Status& status);

}  // namespace ember::cli
