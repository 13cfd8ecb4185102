#include "cli/client.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/size.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/exit_code.h"
#include "cli/rpc_status.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::HostService::Stub;
using SystemClock = std::chrono::system_clock;

// How often a waiting call looks for Ctrl-C and redraws its progress.
constexpr auto kTick = std::chrono::milliseconds(100);

absl::Status Unreachable(const std::filesystem::path& socket, std::string_view cause) {
  return WithReason(Unavailable("the daemon is not running: {} at {}", cause, socket.string()),
                    kReasonUnreachable);
}

absl::Status Interrupted() { return WithReason(Cancelled("interrupted"), kReasonInterrupted); }

absl::StatusOr<UniqueFd> ConnectTo(const std::filesystem::path& socket) {
  auto fd = ConnectUnix(socket);
  if (fd.ok()) return fd;
  if (absl::IsNotFound(fd.status())) return Unreachable(socket, "no socket");
  if (absl::IsUnavailable(fd.status())) return Unreachable(socket, "nobody listens");
  return Annotate(fd.status(), "the daemon's socket");
}

// The calls under way on one completion queue, and what can end them early.
class CallLoop {
 public:
  CallLoop(SignalQueue& signals, const CallOptions& options)
      : signals_(signals), options_(options) {}
  ~CallLoop() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }

  grpc::CompletionQueue* queue() { return &queue_; }
  bool interrupted() const { return interrupted_; }

  // Makes the context of a new call, with its deadline. Owned here.
  grpc::ClientContext* NewContext() {
    contexts_.push_back(std::make_unique<grpc::ClientContext>());
    grpc::ClientContext* context = contexts_.back().get();
    if (options_.limit != absl::InfiniteDuration()) {
      context->set_deadline(SystemClock::now() + absl::ToChronoMicroseconds(options_.limit));
    }
    return context;
  }

  // Waits for the next event; the answer is its `ok`. Ctrl-C cancels all calls meanwhile.
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    while (true) {
      const auto event = queue_.AsyncNext(&tag, &ok, SystemClock::now() + kTick);
      if (event == grpc::CompletionQueue::GOT_EVENT) return ok;
      Tick();
    }
  }

  // The outcome of a call that has finished.
  absl::Status Outcome(const grpc::Status& status, const grpc::ClientContext& context) const {
    if (interrupted_) return Interrupted();
    return StatusOfCall(status, context);
  }

 private:
  void Tick() {
    if (options_.progress != nullptr) options_.progress->Tick();
    while (signals_.Next() == SIGINT) {
      interrupted_ = true;
      for (const auto& context : contexts_) context->TryCancel();
    }
  }

  SignalQueue& signals_;
  const CallOptions options_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  bool interrupted_ = false;
};

// Starts a unary call: one of the stub's Async methods.
template <typename Request, typename Response>
using UnaryMethod = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*);
template <typename Request, typename Response>
using StreamMethod = std::unique_ptr<grpc::ClientAsyncReader<Response>> (Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*, void*);

template <typename Request, typename Response>
std::vector<absl::StatusOr<Response>> CallMany(Stub& stub, SignalQueue& signals,
                                               UnaryMethod<Request, Response> method,
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

template <typename Request, typename Response>
absl::StatusOr<Response> CallOne(Stub& stub, SignalQueue& signals,
                                 UnaryMethod<Request, Response> method, const Request& request,
                                 const CallOptions& options) {
  return std::move(CallMany(stub, signals, method, std::vector<Request>{request}, options).front());
}

// Hands each message to `take` until the stream ends or `take` has had enough or fails.
template <typename Request, typename Response>
absl::Status ReadStream(Stub& stub, SignalQueue& signals, StreamMethod<Request, Response> method,
                        const Request& request, const CallOptions& options,
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

void Show(const v1::Progress& step, Progress* progress) {
  if (progress == nullptr) return;
  progress->Step(step.message().empty() ? step.stage() : step.stage() + " " + step.message());
  if (step.done() == 0) return;
  const auto mib = [](uint64_t bytes) { return fmt::format("{}M", bytes / kMiB); };
  progress->Detail(step.total() == 0 ? mib(step.done())
                                     : mib(step.done()) + " of " + mib(step.total()));
}

// Reads a stream of steps to its result.
template <typename Result, typename Request, typename Response>
absl::StatusOr<Result> ReadToResult(Stub& stub, SignalQueue& signals,
                                    StreamMethod<Request, Response> method, const Request& request,
                                    const CallOptions& options) {
  std::optional<Result> result;
  RETURN_IF_ERROR((ReadStream<Request, Response>(
      stub, signals, method, request, options,
      [&result, &options](const Response& response) -> absl::StatusOr<Flow> {
        if (response.has_progress()) Show(response.progress(), options.progress);
        if (response.has_result()) result = response.result();
        return Flow::kMore;
      })));
  if (!result.has_value()) return Internal("the daemon ended the operation without a result");
  return *std::move(result);
}

}  // namespace

struct Client::Wire {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;
};

Client::Client(std::unique_ptr<Wire> wire, SignalQueue signals, pid_t peer_pid)
    : wire_(std::move(wire)), signals_(std::move(signals)), peer_pid_(peer_pid) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::filesystem::path& socket) {
  ASSIGN_OR_RETURN(UniqueFd fd, ConnectTo(socket));
  ASSIGN_OR_RETURN(const PeerCredentials peer, PeerOf(fd.get()));
  ASSIGN_OR_RETURN(SignalQueue signals, SignalQueue::Create({SIGINT}));
  // Debian builds Abseil without NDEBUG, so the mutexes of gRPC look for deadlocks at every lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  auto wire = std::make_unique<Wire>();
  // A channel around a connected socket has no name to resolve, no connection to balance and
  // nothing to retry: it is the fastest start there is. gRPC closes the descriptor.
  wire->channel = grpc::CreateInsecureChannelFromFd("ember", fd.Release());
  wire->stub = v1::HostService::NewStub(wire->channel);
  return std::unique_ptr<Client>(new Client(std::move(wire), std::move(signals), peer.pid));
}

absl::Status Client::CheckInterrupted() {
  return signals_.Next().has_value() ? Interrupted() : absl::OkStatus();
}

std::shared_ptr<grpc::ChannelInterface> Client::channel() const { return wire_->channel; }

absl::StatusOr<v1::Host> Client::GetHost(CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncGetHost, v1::GetHostRequest(), options);
}

absl::StatusOr<v1::DoctorReport> Client::Doctor(CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncDoctor, v1::DoctorRequest(), options);
}

absl::StatusOr<v1::CheckHostResponse> Client::CheckHost(CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncCheckHost, v1::CheckHostRequest(), options);
}

absl::StatusOr<v1::RepairHostResponse> Client::RepairHost(const v1::RepairHostRequest& request,
                                                          CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncRepairHost, request, options);
}

absl::StatusOr<v1::Vm> Client::CreateVm(const v1::CreateVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncCreateVm, request, options);
}

absl::StatusOr<v1::Vm> Client::StartVm(const v1::StartVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncStartVm, request, options);
}

absl::StatusOr<v1::Vm> Client::RestartVm(const v1::RestartVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncRestartVm, request, options);
}

absl::StatusOr<v1::Vm> Client::PauseVm(const v1::PauseVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncPauseVm, request, options);
}

absl::StatusOr<v1::Vm> Client::ResumeVm(const v1::ResumeVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncResumeVm, request, options);
}

absl::StatusOr<v1::Vm> Client::RenameVm(const v1::RenameVmRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncRenameVm, request, {});
}

absl::StatusOr<v1::Vm> Client::UpdateVm(const v1::UpdateVmRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncUpdateVm, request, {});
}

std::vector<absl::StatusOr<v1::Vm>> Client::StopVms(const std::vector<v1::StopVmRequest>& requests,
                                                    CallOptions options) {
  return CallMany(*wire_->stub, signals_, &Stub::AsyncStopVm, requests, options);
}

std::vector<absl::StatusOr<v1::DeleteVmResponse>> Client::DeleteVms(
    const std::vector<v1::DeleteVmRequest>& requests, CallOptions options) {
  return CallMany(*wire_->stub, signals_, &Stub::AsyncDeleteVm, requests, options);
}

absl::StatusOr<v1::Vm> Client::GetVm(const v1::GetVmRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncGetVm, request, {});
}

absl::StatusOr<v1::ListVmsResponse> Client::ListVms(const v1::ListVmsRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncListVms, request, {});
}

absl::StatusOr<v1::Vm> Client::WaitVm(const v1::WaitVmRequest& request, CallOptions options) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncWaitVm, request, options);
}

absl::Status Client::Console(const v1::ConsoleRequest& request,
                             const std::function<absl::Status(const v1::ConsoleChunk&)>& take) {
  return ReadStream<v1::ConsoleRequest, v1::ConsoleChunk>(
      *wire_->stub, signals_, &Stub::AsyncConsole, request, {},
      [&take](const v1::ConsoleChunk& chunk) -> absl::StatusOr<Flow> {
        RETURN_IF_ERROR(take(chunk));
        return Flow::kMore;
      });
}

absl::Status Client::WatchEvents(
    const v1::WatchEventsRequest& request,
    const std::function<absl::StatusOr<Flow>(const v1::Event&)>& take) {
  return ReadStream<v1::WatchEventsRequest, v1::Event>(*wire_->stub, signals_,
                                                       &Stub::AsyncWatchEvents, request, {}, take);
}

absl::StatusOr<v1::Image> Client::ImportImage(const v1::ImportImageRequest& request,
                                              CallOptions options) {
  return ReadToResult<v1::Image>(*wire_->stub, signals_, &Stub::AsyncImportImage, request, options);
}

absl::StatusOr<v1::Image> Client::BuildImage(const v1::BuildImageRequest& request,
                                             CallOptions options) {
  return ReadToResult<v1::Image>(*wire_->stub, signals_, &Stub::AsyncBuildImage, request, options);
}

absl::StatusOr<v1::Kernel> Client::AddKernel(const v1::AddKernelRequest& request,
                                             CallOptions options) {
  return ReadToResult<v1::Kernel>(*wire_->stub, signals_, &Stub::AsyncAddKernel, request, options);
}

absl::StatusOr<v1::ListImagesResponse> Client::ListImages() {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncListImages, v1::ListImagesRequest(), {});
}

absl::StatusOr<v1::Image> Client::GetImage(const v1::GetImageRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncGetImage, request, {});
}

absl::Status Client::DeleteImage(const v1::DeleteImageRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncDeleteImage, request, {}).status();
}

absl::StatusOr<v1::ListKernelsResponse> Client::ListKernels() {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncListKernels, v1::ListKernelsRequest(), {});
}

absl::Status Client::DeleteKernel(const v1::DeleteKernelRequest& request) {
  return CallOne(*wire_->stub, signals_, &Stub::AsyncDeleteKernel, request, {}).status();
}

}  // namespace ember::cli
