#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/progress.h"
#include "cli/signal_queue.h"
#include "ember/v1/host_service.pb.h"

namespace grpc {
class ChannelInterface;
}

namespace ember::cli {

struct CallOptions {
  absl::Duration limit = absl::InfiniteDuration();  // then the call fails with DeadlineExceeded
  Progress* progress = nullptr;                     // ticks while the call is under way
};

// Cancelled with reason INTERRUPTED.
absl::Status Interrupted();

// Whether the reader of a stream wants more of it.
enum class Flow { kMore, kEnough };

// One connection to the daemon and its calls. Calls block; SIGINT cancels the one under way, which
// then answers Cancelled with reason INTERRUPTED. Errors of the daemon keep their code and carry
// its reason, hint and metadata; a lost connection is Unavailable with reason DAEMON_UNREACHABLE.
// Not thread-safe.
class Client {
 public:
  // Connects at once or fails: Unavailable with reason DAEMON_UNREACHABLE when nobody listens at
  // `socket`.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::filesystem::path& socket);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The process that listens on the other end, as the kernel says.
  pid_t peer_pid() const { return peer_pid_; }
  // Cancelled with reason INTERRUPTED when SIGINT came while no call was under way.
  absl::Status CheckInterrupted();
  // For calls of other kinds than those below (calls.h).
  std::shared_ptr<grpc::ChannelInterface> channel() const;
  SignalQueue& signals() { return signals_; }

  absl::StatusOr<v1::Host> GetHost(CallOptions options = {});
  absl::StatusOr<v1::DoctorReport> Doctor(CallOptions options = {});
  absl::StatusOr<v1::CheckHostResponse> CheckHost(CallOptions options = {});
  absl::StatusOr<v1::RepairHostResponse> RepairHost(const v1::RepairHostRequest& request,
                                                    CallOptions options = {});

  absl::StatusOr<v1::Vm> CreateVm(const v1::CreateVmRequest& request, CallOptions options = {});
  absl::StatusOr<v1::Vm> StartVm(const v1::StartVmRequest& request, CallOptions options = {});
  absl::StatusOr<v1::Vm> RestartVm(const v1::RestartVmRequest& request, CallOptions options = {});
  absl::StatusOr<v1::Vm> PauseVm(const v1::PauseVmRequest& request, CallOptions options = {});
  absl::StatusOr<v1::Vm> ResumeVm(const v1::ResumeVmRequest& request, CallOptions options = {});
  absl::StatusOr<v1::Vm> RenameVm(const v1::RenameVmRequest& request);
  absl::StatusOr<v1::Vm> UpdateVm(const v1::UpdateVmRequest& request);
  // All at the same time; the answers in the order of the requests.
  std::vector<absl::StatusOr<v1::Vm>> StopVms(const std::vector<v1::StopVmRequest>& requests,
                                              CallOptions options = {});
  std::vector<absl::StatusOr<v1::DeleteVmResponse>> DeleteVms(
      const std::vector<v1::DeleteVmRequest>& requests, CallOptions options = {});
  absl::StatusOr<v1::Vm> GetVm(const v1::GetVmRequest& request);
  absl::StatusOr<v1::ListVmsResponse> ListVms(const v1::ListVmsRequest& request = {});
  absl::StatusOr<v1::Vm> WaitVm(const v1::WaitVmRequest& request, CallOptions options);
  absl::Status Console(const v1::ConsoleRequest& request,
                       const std::function<absl::Status(const v1::ConsoleChunk&)>& take);
  absl::Status WatchEvents(const v1::WatchEventsRequest& request,
                           const std::function<absl::StatusOr<Flow>(const v1::Event&)>& take);

  // Long ones: each step is shown in `options.progress`.
  absl::StatusOr<v1::Image> ImportImage(const v1::ImportImageRequest& request, CallOptions options);
  absl::StatusOr<v1::Image> BuildImage(const v1::BuildImageRequest& request, CallOptions options);
  absl::StatusOr<v1::Kernel> AddKernel(const v1::AddKernelRequest& request, CallOptions options);

  absl::StatusOr<v1::ListImagesResponse> ListImages();
  absl::StatusOr<v1::Image> GetImage(const v1::GetImageRequest& request);
  absl::Status DeleteImage(const v1::DeleteImageRequest& request);
  absl::StatusOr<v1::ListKernelsResponse> ListKernels();
  absl::Status DeleteKernel(const v1::DeleteKernelRequest& request);

 private:
  struct Wire;  // what needs gRPC's headers

  Client(std::unique_ptr<Wire> wire, SignalQueue signals, pid_t peer_pid);

  std::unique_ptr<Wire> wire_;
  SignalQueue signals_;
  pid_t peer_pid_;
};

}  // namespace ember::cli
