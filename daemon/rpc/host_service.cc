#include "daemon/rpc/host_service.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "base/status.h"
#include "daemon/rpc/console_reactor.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/event_reactor.h"
#include "daemon/rpc/exec_reactor.h"
#include "daemon/rpc/progress_reactor.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

constexpr absl::Duration kDoctorLimit = absl::Seconds(60);

absl::Duration AgentWait(bool given, const google::protobuf::Duration& wait) {
  return given ? FromProto(wait) : kDefaultAgentWait;
}

std::vector<std::string> UsersOf(const std::map<std::string, std::vector<std::string>>& uses,
                                 const std::string& name) {
  const auto found = uses.find(name);
  return found == uses.end() ? std::vector<std::string>() : found->second;
}

// A reply that fills a Vm message.
Reply<VmView> AnswerVm(UnaryCall& call, v1::Vm* response) {
  return call.Answer<VmView>([response](const VmView& vm) { *response = ToProto(vm); });
}

}  // namespace

HostService::HostService(Host& host, Catalog& catalog, const daemon::Doctor& doctor, EventLoop& io,
                         About about)
    : host_(host), catalog_(catalog), doctor_(doctor), io_(io), about_(std::move(about)) {}

HostService::Unary* HostService::GetHost(Context* context, const v1::GetHostRequest*,
                                         v1::Host* response) {
  auto* call = new UnaryCall(*context);
  host_.Summarize(call->Answer<Host::Summary>([this, response](const Host::Summary& summary) {
    response->set_version(EMBER_VERSION);
    response->set_installation_id(summary.installation_id);
    response->set_state_dir(host_.state_dir().native());
    response->set_socket_path(about_.socket_path);
    response->set_pid(getpid());
    response->mutable_started_at()->set_seconds(absl::ToUnixSeconds(about_.started_at));
    response->set_host_cpus(about_.host_cpus);
    response->set_host_memory_mib(about_.host_memory_mib);
    response->set_default_backend(about_.default_backend);
    if (auto kernel = catalog_.GetKernel(""); kernel.ok())
      response->set_default_kernel(kernel->name);
    response->set_vms(summary.vms);
    response->set_running_vms(summary.running_vms);
    response->set_last_event_sequence(summary.last_event);
  }));
  return call;
}

HostService::Unary* HostService::Doctor(Context* context, const v1::DoctorRequest*,
                                        v1::DoctorReport* response) {
  auto* call = new UnaryCall(*context);
  auto reply =
      call->Answer<std::vector<DoctorCheck>>([response](const std::vector<DoctorCheck>& checks) {
        for (const DoctorCheck& check : checks) *response->add_checks() = ToProto(check);
      });
  catalog_.RunApart("doctor",
                    [this, cancellation = call->cancellation().Within(kDoctorLimit),
                     reply = std::move(reply)]() mutable { reply(doctor_.Examine(cancellation)); });
  return call;
}

HostService::Unary* HostService::CreateVm(Context* context, const v1::CreateVmRequest* request,
                                          v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  CreateVmSpec spec = FromProto(*request);
  spec.owner_uid = geteuid();
  host_.CreateVm(std::move(spec), call->cancellation(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::StartVm(Context* context, const v1::StartVmRequest* request,
                                         v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.StartVm(request->name(), AgentWait(request->has_agent_wait(), request->agent_wait()),
                call->cancellation(), AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::StopVm(Context* context, const v1::StopVmRequest* request,
                                        v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  StopPlan plan;
  plan.force = request->force();
  if (request->has_grace()) plan.grace = FromProto(request->grace());
  host_.StopVm(request->name(), plan, AnswerVm(*call, response));
  return call;
}

HostService::Unary* HostService::DeleteVm(Context* context, const v1::DeleteVmRequest* request,
                                          v1::DeleteVmResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteVm(request->name(),
                 request->force() ? Host::DeleteMode::kForce : Host::DeleteMode::kStoppedOnly,
                 call->Answer<Done>([](Done) {}));
  return call;
}

HostService::Unary* HostService::GetVm(Context* context, const v1::GetVmRequest* request,
                                       v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  host_.GetVm(request->name(), call->Answer<VmView>([this, response](VmView vm) {
    if (auto kernel = catalog_.GetKernel(vm.record.config.kernel); kernel.ok())
      vm.kernel_path = kernel->vmlinux;
    *response = ToProto(vm);
  }));
  return call;
}

HostService::Unary* HostService::ListVms(Context* context, const v1::ListVmsRequest*,
                                         v1::ListVmsResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.ListVms(call->Answer<std::vector<VmView>>([response](const std::vector<VmView>& vms) {
    for (const VmView& vm : vms) *response->add_vms() = ToProto(vm);
  }));
  return call;
}

HostService::Unary* HostService::WaitVm(Context* context, const v1::WaitVmRequest* request,
                                        v1::Vm* response) {
  auto* call = new UnaryCall(*context);
  const WaitCondition condition = request->condition() == v1::WaitVmRequest::STOPPED
                                      ? WaitCondition::kStopped
                                      : WaitCondition::kAgentReady;
  host_.WaitVm(request->name(), condition, call->cancellation(), AnswerVm(*call, response));
  return call;
}

grpc::ServerWriteReactor<v1::ConsoleChunk>* HostService::Console(
    Context* context, const v1::ConsoleRequest* request) {
  return NewConsoleReactor(host_, catalog_, *context, *request);
}

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* HostService::Exec(Context* context) {
  return NewExecReactor(host_, io_, *context);
}

grpc::ServerWriteReactor<v1::Event>* HostService::WatchEvents(
    Context* context, const v1::WatchEventsRequest* request) {
  return NewEventReactor(host_, *context, *request);
}

grpc::ServerWriteReactor<v1::ImageProgress>* HostService::ImportImage(
    Context* context, const v1::ImportImageRequest* request) {
  auto* call = new ProgressReactor<v1::ImageProgress, images::ImageRecord>(io_, *context);
  catalog_.ImportImage(request->name(), request->path(), request->size_bytes(), call->sink(),
                       call->cancellation(), call->Answer());
  return call;
}

grpc::ServerWriteReactor<v1::ImageProgress>* HostService::BuildImage(
    Context* context, const v1::BuildImageRequest* request) {
  auto* call = new ProgressReactor<v1::ImageProgress, images::ImageRecord>(io_, *context);
  images::BuildRecipe recipe;
  recipe.from = request->from();
  recipe.packages.assign(request->packages().begin(), request->packages().end());
  recipe.size_bytes = request->size_bytes();
  catalog_.BuildImage(request->name(), std::move(recipe), call->sink(), call->cancellation(),
                      call->Answer());
  return call;
}

HostService::Unary* HostService::ListImages(Context* context, const v1::ListImagesRequest*,
                                            v1::ListImagesResponse* response) {
  auto* call = new UnaryCall(*context);
  auto images = catalog_.ListImages();
  if (!images.ok()) {
    call->Finish(StatusToGrpc(images.status(), *context));
    return call;
  }
  host_.ListUses(
      call->Answer<Host::Uses>([response, images = *std::move(images)](const Host::Uses& uses) {
        for (const images::ImageRecord& image : images) {
          *response->add_images() = ToProto(image, UsersOf(uses.of_image, image.name));
        }
      }));
  return call;
}

HostService::Unary* HostService::GetImage(Context* context, const v1::GetImageRequest* request,
                                          v1::Image* response) {
  auto* call = new UnaryCall(*context);
  auto image = catalog_.GetImage(request->name());
  if (!image.ok()) {
    call->Finish(StatusToGrpc(image.status(), *context));
    return call;
  }
  host_.ListUses(
      call->Answer<Host::Uses>([response, image = *std::move(image)](const Host::Uses& uses) {
        *response = ToProto(image, UsersOf(uses.of_image, image.name));
      }));
  return call;
}

HostService::Unary* HostService::DeleteImage(Context* context,
                                             const v1::DeleteImageRequest* request,
                                             v1::DeleteImageResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteImage(request->name(), call->Answer<Done>([](Done) {}));
  return call;
}

grpc::ServerWriteReactor<v1::KernelProgress>* HostService::AddKernel(
    Context* context, const v1::AddKernelRequest* request) {
  auto* call = new ProgressReactor<v1::KernelProgress, images::KernelRecord>(io_, *context);
  catalog_.AddKernel({request->source(), request->name(), request->modules()}, call->sink(),
                     call->cancellation(), call->Answer());
  return call;
}

HostService::Unary* HostService::ListKernels(Context* context, const v1::ListKernelsRequest*,
                                             v1::ListKernelsResponse* response) {
  auto* call = new UnaryCall(*context);
  auto kernels = catalog_.ListKernels();
  if (!kernels.ok()) {
    call->Finish(StatusToGrpc(kernels.status(), *context));
    return call;
  }
  host_.ListUses(
      call->Answer<Host::Uses>([response, kernels = *std::move(kernels)](const Host::Uses& uses) {
        for (const images::KernelRecord& kernel : kernels) {
          *response->add_kernels() = ToProto(kernel, UsersOf(uses.of_kernel, kernel.name));
        }
      }));
  return call;
}

HostService::Unary* HostService::DeleteKernel(Context* context,
                                              const v1::DeleteKernelRequest* request,
                                              v1::DeleteKernelResponse*) {
  auto* call = new UnaryCall(*context);
  host_.DeleteKernel(request->name(), call->Answer<Done>([](Done) {}));
  return call;
}

}  // namespace ember::daemon::rpc
