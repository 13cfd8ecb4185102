#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/catalog.h"
#include "daemon/disk_meter.h"
#include "daemon/doctor.h"
#include "daemon/host.h"
#include "ember/v1/host_service.grpc.pb.h"

namespace ember::daemon::rpc {

// ember.v1.HostService (proto/ember/v1/host_service.proto): converts and posts, decides nothing.
// Thread-safe.
class HostService : public v1::HostService::CallbackService {
 public:
  // What GetHost tells beside what the host knows.
  struct About {
    std::string socket_path;
    std::string default_backend;
    uint32_t host_cpus = 0;
    uint64_t host_memory_mib = 0;
    absl::Time started_at;
  };

  // All borrowed; they outlive the server.
  HostService(Host& host, Catalog& catalog, const daemon::Doctor& doctor, EventLoop& io,
              About about);

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* GetHost(Context*, const v1::GetHostRequest*, v1::Host*) override;
  Unary* Doctor(Context*, const v1::DoctorRequest*, v1::DoctorReport*) override;
  Unary* CreateVm(Context*, const v1::CreateVmRequest*, v1::Vm*) override;
  Unary* StartVm(Context*, const v1::StartVmRequest*, v1::Vm*) override;
  Unary* StopVm(Context*, const v1::StopVmRequest*, v1::Vm*) override;
  Unary* CheckHost(Context*, const v1::CheckHostRequest*, v1::CheckHostResponse*) override;
  Unary* RepairHost(Context*, const v1::RepairHostRequest*, v1::RepairHostResponse*) override;
  Unary* RestartVm(Context*, const v1::RestartVmRequest*, v1::Vm*) override;
  Unary* PauseVm(Context*, const v1::PauseVmRequest*, v1::Vm*) override;
  Unary* ResumeVm(Context*, const v1::ResumeVmRequest*, v1::Vm*) override;
  Unary* RenameVm(Context*, const v1::RenameVmRequest*, v1::Vm*) override;
  Unary* UpdateVm(Context*, const v1::UpdateVmRequest*, v1::Vm*) override;
  Unary* DeleteVm(Context*, const v1::DeleteVmRequest*, v1::DeleteVmResponse*) override;
  Unary* GetVm(Context*, const v1::GetVmRequest*, v1::Vm*) override;
  Unary* ListVms(Context*, const v1::ListVmsRequest*, v1::ListVmsResponse*) override;
  Unary* WaitVm(Context*, const v1::WaitVmRequest*, v1::Vm*) override;
  grpc::ServerWriteReactor<v1::ConsoleChunk>* Console(Context*, const v1::ConsoleRequest*) override;
  grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* Exec(Context*) override;
  grpc::ServerWriteReactor<v1::Event>* WatchEvents(Context*,
                                                   const v1::WatchEventsRequest*) override;
  grpc::ServerWriteReactor<v1::ImageProgress>* ImportImage(Context*,
                                                           const v1::ImportImageRequest*) override;
  grpc::ServerWriteReactor<v1::ImageProgress>* BuildImage(Context*,
                                                          const v1::BuildImageRequest*) override;
  Unary* ListImages(Context*, const v1::ListImagesRequest*, v1::ListImagesResponse*) override;
  Unary* GetImage(Context*, const v1::GetImageRequest*, v1::Image*) override;
  Unary* DeleteImage(Context*, const v1::DeleteImageRequest*, v1::DeleteImageResponse*) override;
  grpc::ServerWriteReactor<v1::KernelProgress>* AddKernel(Context*,
                                                          const v1::AddKernelRequest*) override;
  Unary* ListKernels(Context*, const v1::ListKernelsRequest*, v1::ListKernelsResponse*) override;
  Unary* DeleteKernel(Context*, const v1::DeleteKernelRequest*, v1::DeleteKernelResponse*) override;

  Reply<std::vector<VmView>> Measured(Reply<std::vector<VmView>> reply);

  Host& host_;
  Catalog& catalog_;
  const daemon::Doctor& doctor_;
  EventLoop& io_;
  const About about_;
  DiskMeter meter_;
};

}  // namespace ember::daemon::rpc
