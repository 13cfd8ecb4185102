#include "cli/rpc_status.h"

#include <string>

#include "base/status.h"
#include "cli/exit_code.h"
#include "ember/v1/error.pb.h"

namespace ember::cli {
namespace {

constexpr char kDetailKey[] = "ember-error-detail-bin";

absl::Status TransportFailure(const grpc::Status& status) {
  return WithHint(
      WithReason(Unavailable("lost the connection to the daemon: {}", status.error_message()),
                 kReasonUnreachable),
      "run 'ember daemon status'; its log is emberhostd.log in the state directory");
}

}  // namespace

absl::Status StatusOfCall(const grpc::Status& status, const grpc::ClientContext& context) {
  if (status.ok()) return absl::OkStatus();
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(kDetailKey);
  v1::ErrorDetail detail;
  const bool detailed =
      found != trailing.end() &&
      detail.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()));
  if (!detailed && status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return TransportFailure(status);
  }
  // gRPC's codes and Abseil's have the same numbers.
  absl::Status result =
      MakeStatus(static_cast<absl::StatusCode>(status.error_code()), "{}", status.error_message());
  if (!detail.reason().empty()) result = WithReason(result, detail.reason());
  if (!detail.hint().empty()) result = WithHint(result, detail.hint());
  for (const auto& [key, value] : detail.metadata()) result = WithMetadata(result, key, value);
  return result;
}

}  // namespace ember::cli
