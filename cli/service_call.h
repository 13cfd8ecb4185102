#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <csignal>
#include <memory>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/exit_code.h"
#include "cli/rpc_status.h"
#include "cli/signal_queue.h"

namespace ember::cli {

// One unary call of a service beside HostService, which Client does not know. Blocks; SIGINT
// cancels it, and it then answers Cancelled with reason INTERRUPTED. `prepare` is one of a stub's
// PrepareAsync methods.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallService(Stub& stub,
                                     std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
                                         Stub::*prepare)(grpc::ClientContext*, const Request&,
                                                         grpc::CompletionQueue*),
                                     const Request& request) {
  // How often a waiting call looks for Ctrl-C.
  constexpr auto kTick = std::chrono::milliseconds(100);
  ASSIGN_OR_RETURN(SignalQueue signals, SignalQueue::Create({SIGINT}));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  Response response;
  grpc::Status status;
  const auto reader = (stub.*prepare)(&context, request, &queue);
  reader->StartCall();
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  bool interrupted = false;
  while (queue.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kTick) ==
         grpc::CompletionQueue::TIMEOUT) {
    if (!signals.Next().has_value()) continue;
    interrupted = true;
    context.TryCancel();
  }
  queue.Shutdown();
  if (interrupted) return WithReason(Cancelled("interrupted"), kReasonInterrupted);
  RETURN_IF_ERROR(StatusOfCall(status, context));
  return response;
}

}  // namespace ember::cli
