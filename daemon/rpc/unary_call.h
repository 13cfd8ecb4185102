#pragma once

#include <grpcpp/grpcpp.h>

#include <stop_token>
#include <utility>

#include "base/cancellation.h"
#include "base/reply.h"
#include "daemon/rpc/status_to_grpc.h"

namespace ember::daemon::rpc {

// The deadline that the client set, on our clock.
inline Deadline DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return Deadline::Infinite();
  return Deadline::After(absl::FromChrono(deadline) - absl::Now());
}

// A unary call that waits for the core's answer. Owns itself: gRPC calls OnDone when the client has
// been answered.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryCall(grpc::CallbackServerContext& context) : context_(context) {}

  // Requested when the client goes away; its deadline is the client's.
  Cancellation cancellation() const { return {stop_.get_token(), DeadlineOf(context_)}; }

  // A reply whose value `fill` writes into the response; an error becomes the call's status. Call
  // once.
  template <typename T, typename Fill>
  Reply<T> Answer(Fill fill) {
    return Reply<T>([this, fill = std::move(fill)](absl::StatusOr<T> result) mutable {
      const absl::Status status = result.status();
      if (status.ok()) fill(*std::move(result));
      Finish(StatusToGrpc(status, context_));
    });
  }

 private:
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

  grpc::CallbackServerContext& context_;
  std::stop_source stop_;
};

}  // namespace ember::daemon::rpc
