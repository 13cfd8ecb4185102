#include "cli/client.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

#include <csignal>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/calls.h"
#include "cli/exit_code.h"
#include "cli/stream_calls.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::HostService::Stub;

absl::Status Unreachable(const std::filesystem::path& socket, std::string_view cause) {
  return WithReason(Unavailable("the daemon is not running: {} at {}", cause, socket.string()),
                    kReasonUnreachable);
}

absl::StatusOr<UniqueFd> ConnectTo(const std::filesystem::path& socket) {
  auto fd = ConnectUnix(socket);
  if (fd.ok()) return fd;
  if (absl::IsNotFound(fd.status())) return Unreachable(socket, "no socket");
  if (absl::IsUnavailable(fd.status())) return Unreachable(socket, "nobody listens");
  return Annotate(fd.status(), "the daemon's socket");
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
  return ReadStream<Stub, v1::ConsoleRequest, v1::ConsoleChunk>(
      *wire_->stub, signals_, &Stub::AsyncConsole, request, {},
      [&take](const v1::ConsoleChunk& chunk) -> absl::StatusOr<Flow> {
        RETURN_IF_ERROR(take(chunk));
        return Flow::kMore;
      });
}

absl::Status Client::WatchEvents(
    const v1::WatchEventsRequest& request,
    const std::function<absl::StatusOr<Flow>(const v1::Event&)>& take) {
  return ReadStream<Stub, v1::WatchEventsRequest, v1::Event>(
      *wire_->stub, signals_, &Stub::AsyncWatchEvents, request, {}, take);
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
