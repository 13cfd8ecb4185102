#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/signal_queue.h"

// How calls of any service are made: they block, and SIGINT cancels what is under way.
namespace ember::cli {

// The calls under way on one completion queue, and what can end them early.
class CallLoop {
 public:
  CallLoop(SignalQueue& signals, const CallOptions& options)
      : signals_(signals), options_(options) {}
  CallLoop(const CallLoop&) = delete;
  CallLoop& operator=(const CallLoop&) = delete;
  ~CallLoop();

  grpc::CompletionQueue* queue() { return &queue_; }
  bool interrupted() const { return interrupted_; }

  // Makes the context of a new call, with its deadline. Owned here.
  grpc::ClientContext* NewContext();

  // Waits for the next event; the answer is its `ok`. Ctrl-C cancels all calls meanwhile.
  bool Next();

  // The outcome of a call that has finished.
  absl::Status Outcome(const grpc::Status& status, const grpc::ClientContext& context) const;

 private:
  void Tick();

  SignalQueue& signals_;
  const CallOptions options_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  bool interrupted_ = false;
};

// Starts a unary call: one of the stub's Async methods.
template <typename Stub, typename Request, typename Response>
using UnaryMethod = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*);

// All at the same time; the answers in the order of the requests.
template <typename Stub, typename Request, typename Response>
std::vector<absl::StatusOr<Response>> CallMany(Stub& stub, SignalQueue& signals,
                                               UnaryMethod<Stub, Request, Response> method,
                                               const std::vector<Request>& requests,
                                               const CallOptions& options) {
  struct Call {
    grpc::ClientContext* context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    Response response;
    grpc::Status status;
  };
  std::vector<Call> calls(requests.size());  // gRPC writes into them: never resized
  CallLoop loop(signals, options);
  for (size_t i = 0; i < requests.size(); ++i) {
    calls[i].context = loop.NewContext();
    calls[i].reader = (stub.*method)(calls[i].context, requests[i], loop.queue());
    calls[i].reader->Finish(&calls[i].response, &calls[i].status, &calls[i]);
  }
  for (size_t i = 0; i < requests.size(); ++i) loop.Next();
  std::vector<absl::StatusOr<Response>> results;
  for (Call& call : calls) {
    const absl::Status status = loop.Outcome(call.status, *call.context);
    if (status.ok()) {
      results.emplace_back(std::move(call.response));
    } else {
      results.emplace_back(status);
    }
  }
  return results;
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallOne(Stub& stub, SignalQueue& signals,
                                 UnaryMethod<Stub, Request, Response> method,
                                 const Request& request, const CallOptions& options) {
  return std::move(CallMany(stub, signals, method, std::vector<Request>{request}, options).front());
}

}  // namespace ember::cli
