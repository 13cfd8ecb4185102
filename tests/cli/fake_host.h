#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sequence.h"
#include "ember/v1/error.pb.h"
#include "ember/v1/host_service.grpc.pb.h"
#include "tests/cli/fake_care.h"
#include "tests/cli/fake_files.h"
#include "tests/cli/fake_forwards.h"
#include "tests/cli/fake_images.h"
#include "tests/cli/fake_processes.h"
#include "tests/cli/fake_storage.h"

namespace ember::testing {

// A daemon in memory: it keeps VMs, images and kernels, writes events, refuses what a daemon
// refuses, and runs the commands of tests/cli/fake_exec.h. Serves on a Unix socket from Start to
// the end. Thread-safe; its state lives on a sequence.
//
// An image named "slow" makes create and start last until the call is cancelled; "deaf" makes VMs
// whose agent never answers.
class FakeHost final : public v1::HostService::Service {
 public:
  FakeHost() = default;
  ~FakeHost() override;

  void Start(const std::filesystem::path& socket);

  // The other services.
  FakeFiles& files() { return files_; }
  FakeForwards& forwards() { return forwards_; }
  FakeCare& care() { return care_; }
  FakeImages& images() { return fake_images_; }

  // The next call that is not Exec fails so.
  void FailNext(grpc::StatusCode code, const std::string& message, v1::ErrorDetail detail = {});
  // The last request of each kind.
  v1::CreateVmRequest last_create();
  v1::ExecStart last_exec();
  v1::BuildImageRequest last_build();
  v1::DeleteImageRequest last_image_delete();
  FakeProcesses& processes() { return processes_; }
  v1::RestartVmRequest last_restart();
  // GetHost reports this pid instead of our own.
  void ReportPid(int pid);
  // Waits up to 10 s for a slow create to arrive; then for it to be cancelled.
  bool AwaitSlowCreate();
  bool AwaitCancelledCreate();
  void Add(const v1::Vm& vm);

  // An anomaly that every check finds until it is repaired. `error` is why its repair fails.
  void AddAnomaly(const v1::Anomaly& anomaly, const std::string& error = "");
  // From now on no check can run.
  void BreakCheck(const std::string& error);

  using Context = grpc::ServerContext;
  grpc::Status GetHost(Context*, const v1::GetHostRequest*, v1::Host*) override;
  grpc::Status Doctor(Context*, const v1::DoctorRequest*, v1::DoctorReport*) override;
  grpc::Status CheckHost(Context*, const v1::CheckHostRequest*, v1::CheckHostResponse*) override;
  grpc::Status RepairHost(Context*, const v1::RepairHostRequest*, v1::RepairHostResponse*) override;
  grpc::Status CreateVm(Context*, const v1::CreateVmRequest*, v1::Vm*) override;
  grpc::Status StartVm(Context*, const v1::StartVmRequest*, v1::Vm*) override;
  grpc::Status StopVm(Context*, const v1::StopVmRequest*, v1::Vm*) override;
  grpc::Status RestartVm(Context*, const v1::RestartVmRequest*, v1::Vm*) override;
  grpc::Status PauseVm(Context*, const v1::PauseVmRequest*, v1::Vm*) override;
  grpc::Status ResumeVm(Context*, const v1::ResumeVmRequest*, v1::Vm*) override;
  grpc::Status RenameVm(Context*, const v1::RenameVmRequest*, v1::Vm*) override;
  grpc::Status UpdateVm(Context*, const v1::UpdateVmRequest*, v1::Vm*) override;
  grpc::Status DeleteVm(Context*, const v1::DeleteVmRequest*, v1::DeleteVmResponse*) override;
  grpc::Status GetVm(Context*, const v1::GetVmRequest*, v1::Vm*) override;
  grpc::Status ListVms(Context*, const v1::ListVmsRequest*, v1::ListVmsResponse*) override;
  grpc::Status WaitVm(Context*, const v1::WaitVmRequest*, v1::Vm*) override;
  grpc::Status Console(Context*, const v1::ConsoleRequest*,
                       grpc::ServerWriter<v1::ConsoleChunk>*) override;
  grpc::Status Exec(Context*,
                    grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>*) override;
  grpc::Status WatchEvents(Context*, const v1::WatchEventsRequest*,
                           grpc::ServerWriter<v1::Event>*) override;
  grpc::Status ImportImage(Context*, const v1::ImportImageRequest*,
                           grpc::ServerWriter<v1::ImageProgress>*) override;
  grpc::Status BuildImage(Context*, const v1::BuildImageRequest*,
                          grpc::ServerWriter<v1::ImageProgress>*) override;
  grpc::Status ListImages(Context*, const v1::ListImagesRequest*, v1::ListImagesResponse*) override;
  grpc::Status GetImage(Context*, const v1::GetImageRequest*, v1::Image*) override;
  grpc::Status DeleteImage(Context*, const v1::DeleteImageRequest*,
                           v1::DeleteImageResponse*) override;
  grpc::Status AddKernel(Context*, const v1::AddKernelRequest*,
                         grpc::ServerWriter<v1::KernelProgress>*) override;
  grpc::Status ListKernels(Context*, const v1::ListKernelsRequest*,
                           v1::ListKernelsResponse*) override;
  grpc::Status DeleteKernel(Context*, const v1::DeleteKernelRequest*,
                            v1::DeleteKernelResponse*) override;

 private:
  struct Failure {
    grpc::StatusCode code;
    std::string message;
    v1::ErrorDetail detail;
  };

  // Runs `work` on the sequence and waits for its answer.
  template <typename Work>
  auto OnHost(Work work) {
    std::promise<decltype(work())> answer;
    auto result = answer.get_future();
    host_.Post([&answer, &work] { answer.set_value(work()); });
    return result.get();
  }
  // What a check would find, with how its repair ends.
  struct Finding {
    v1::Anomaly anomaly;
    std::string error;
  };

  grpc::Status TakeFailure(Context* context);
  // Runs `change` on the VM of that name, on the sequence; answers with the VM, or with the
  // refusal.
  grpc::Status ChangeVm(Context* context, const std::string& name, v1::Vm* answer,
                        const std::function<std::optional<Failure>(v1::Vm&)>& change);
  static Failure WrongState(const v1::Vm& vm, const std::string& verb, const std::string& hint);
  grpc::Status NoSuchVm(Context* context, const std::string& name);
  v1::Event& AddEvent(const v1::Vm& vm, const std::string& kind);
  v1::Vm MarkStarted(v1::Vm& vm);
  void BlockUntilCancelled(Context* context);

  FakeProcesses processes_;  // goes after the server
  std::string socket_;
  FakeFiles files_;
  FakeForwards forwards_;
  FakeCare care_;
  FakeImages fake_images_;
  FakeStorage storage_;
  std::unique_ptr<grpc::Server> server_;
  std::map<std::string, v1::Vm> vms_;
  std::map<std::string, v1::Image> images_;
  std::map<std::string, v1::Kernel> kernels_;
  std::vector<v1::Event> events_;
  std::optional<Failure> failure_;
  std::optional<int> reported_pid_;
  v1::CreateVmRequest last_create_;
  v1::BuildImageRequest last_build_;
  v1::DeleteImageRequest last_image_delete_;
  v1::ExecStart last_exec_;
  v1::RestartVmRequest last_restart_;
  std::vector<Finding> findings_;
  std::string check_error_;
  std::promise<void> slow_create_;
  std::promise<void> cancelled_create_;
  Sequence host_{"fake-host"};  // all of the above but the promises
};

}  // namespace ember::testing
