#include "base/status.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/cord.h"

namespace ember {
namespace {

constexpr std::string_view kHintUrl = "ember/hint";
constexpr std::string_view kReasonUrl = "ember/reason";
constexpr std::string_view kMetadataPrefix = "ember/metadata/";

absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ESRCH:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case EINVAL:
    case ENAMETOOLONG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status WithPayload(absl::Status status, std::string_view url, std::string_view value) {
  if (!status.ok()) status.SetPayload(ToAbsl(url), absl::Cord(ToAbsl(value)));
  return status;
}

std::optional<std::string> PayloadOf(const absl::Status& status, std::string_view url) {
  auto payload = status.GetPayload(ToAbsl(url));
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what) {
  return MakeStatus(CodeOfErrno(error), "{}: {}", what, std::generic_category().message(error));
}

std::string_view Message(const absl::Status& status) {
  return std::string_view(status.message().data(), status.message().size());
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated = MakeStatus(status.code(), "{}: {}", prefix, Message(status));
  status.ForEachPayload([&annotated](absl::string_view url, const absl::Cord& value) {
    annotated.SetPayload(url, value);
  });
  return annotated;
}

absl::Status WithHint(absl::Status status, std::string_view hint) {
  return WithPayload(std::move(status), kHintUrl, hint);
}

absl::Status WithReason(absl::Status status, std::string_view reason) {
  return WithPayload(std::move(status), kReasonUrl, reason);
}

absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value) {
  return WithPayload(std::move(status), fmt::format("{}{}", kMetadataPrefix, key), value);
}

std::optional<std::string> HintOf(const absl::Status& status) {
  return PayloadOf(status, kHintUrl);
}

std::optional<std::string> ReasonOf(const absl::Status& status) {
  return PayloadOf(status, kReasonUrl);
}

std::map<std::string, std::string> MetadataOf(const absl::Status& status) {
  std::map<std::string, std::string> metadata;
  status.ForEachPayload([&metadata](absl::string_view url, const absl::Cord& value) {
    const std::string_view name(url.data(), url.size());
    if (name.starts_with(kMetadataPrefix)) {
      metadata.emplace(name.substr(kMetadataPrefix.size()), std::string(value));
    }
  });
  return metadata;
}

}  // namespace ember
