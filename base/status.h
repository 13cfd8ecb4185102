#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Errors. Every fallible function of Ember answers absl::Status or absl::StatusOr; this file adds
// what they lack: messages made by fmt, a *hint* (the remedy, as a command to type), a *reason* (a
// stable upper-case word that programs can match) and *metadata* (numbers and names of the case).
// All three travel as payloads and survive Annotate and the wire.
namespace ember {

// Makes a status of the given code; `format` and `args` as for fmt::format.
template <typename... Args>
absl::Status MakeStatus(absl::StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return absl::Status(code, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
absl::Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kNotFound, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status AlreadyExists(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kAlreadyExists, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status FailedPrecondition(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kResourceExhausted, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status Unavailable(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kUnavailable, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status DeadlineExceeded(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kDeadlineExceeded, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status Cancelled(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kCancelled, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status PermissionDenied(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kPermissionDenied, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status DataLoss(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kDataLoss, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status Aborted(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kAborted, format, std::forward<Args>(args)...);
}
template <typename... Args>
absl::Status Internal(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kInternal, format, std::forward<Args>(args)...);
}

// The status of a failed system call: "<what>: <strerror>", with the code that tells the caller
// what to do next (ENOENT and ENOTDIR are NotFound, EEXIST AlreadyExists, EACCES and EPERM
// PermissionDenied, ENOSPC, EDQUOT, EMFILE, ENFILE and ENOMEM ResourceExhausted, ECONNREFUSED,
// ECONNRESET and EPIPE Unavailable, ETIMEDOUT DeadlineExceeded; else Internal). `error` is an errno
// value.
absl::Status ErrnoStatus(int error, std::string_view what);

// The message of a status as the standard's string_view (Abseil's is another type on some systems).
std::string_view Message(const absl::Status& status);

// The same status with `prefix` before its message; keeps code and payloads. An OK status stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

// Attach and read the hint, the reason and one item of metadata. Attaching to an OK status does
// nothing.
absl::Status WithHint(absl::Status status, std::string_view hint);
absl::Status WithReason(absl::Status status, std::string_view reason);
absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value);
std::optional<std::string> HintOf(const absl::Status& status);
std::optional<std::string> ReasonOf(const absl::Status& status);
std::map<std::string, std::string> MetadataOf(const absl::Status& status);

}  // namespace ember
