#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/calls.h"
#include "cli/progress_step.h"

// Calls of any service that answer with a stream (calls.h).
namespace ember::cli {

template <typename Stub, typename Request, typename Response>
using StreamMethod = std::unique_ptr<grpc::ClientAsyncReader<Response>> (Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*, void*);

// Hands each message to `take` until the stream ends or `take` has had enough or fails.
template <typename Stub, typename Request, typename Response>
absl::Status ReadStream(Stub& stub, SignalQueue& signals,
                        StreamMethod<Stub, Request, Response> method, const Request& request,
                        const CallOptions& options,
                        const std::function<absl::StatusOr<Flow>(const Response&)>& take) {
  CallLoop loop(signals, options);
  grpc::ClientContext* context = loop.NewContext();
  auto reader = (stub.*method)(context, request, loop.queue(), context);
  bool ok = loop.Next();
  absl::StatusOr<Flow> flow = Flow::kMore;
  Response message;
  while (ok && flow.ok() && *flow == Flow::kMore) {
    reader->Read(&message, context);
    ok = loop.Next();
    if (ok) flow = take(message);
  }
  if (ok) context->TryCancel();  // we end it, not the daemon
  grpc::Status status;
  reader->Finish(&status, context);
  loop.Next();
  if (loop.interrupted()) return loop.Outcome(status, *context);
  if (!flow.ok()) return flow.status();
  return ok ? absl::OkStatus() : loop.Outcome(status, *context);
}

// Reads a stream of steps, which are shown, to its result.
template <typename Result, typename Stub, typename Request, typename Response>
absl::StatusOr<Result> ReadToResult(Stub& stub, SignalQueue& signals,
                                    StreamMethod<Stub, Request, Response> method,
                                    const Request& request, const CallOptions& options) {
  std::optional<Result> result;
  RETURN_IF_ERROR((ReadStream<Stub, Request, Response>(
      stub, signals, method, request, options,
      [&result, &options](const Response& response) -> absl::StatusOr<Flow> {
        if (response.has_progress()) ShowStep(response.progress(), options.progress);
        if (response.has_result()) result = response.result();
        return Flow::kMore;
      })));
  if (!result.has_value()) return Internal("the daemon ended the operation without a result");
  return *std::move(result);
}

}  // namespace ember::cli
