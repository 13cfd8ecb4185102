#include <utility>
#include <vector>

#include "daemon/rpc/convert.h"
#include "daemon/rpc/host_service.h"
#include "daemon/rpc/progress_reactor.h"
#include "daemon/rpc/unary_call.h"

// The part of HostService that is about images and kernels.
namespace ember::daemon::rpc {
namespace {

std::vector<std::string> UsersOf(const std::map<std::string, std::vector<std::string>>& uses,
                                 const std::string& name) {
  const auto found = uses.find(name);
  return found == uses.end() ? std::vector<std::string>() : found->second;
}

}  // namespace

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
  catalog_.BuildImage(request->name(), FromProto(*request), call->sink(), call->cancellation(),
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
          *response->add_images() = ToProto(image, UsersOf(uses.of_image, image.id));
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
        *response = ToProto(image, UsersOf(uses.of_image, image.id));
      }));
  return call;
}

HostService::Unary* HostService::DeleteImage(Context* context,
                                             const v1::DeleteImageRequest* request,
                                             v1::DeleteImageResponse*) {
  auto* call = new UnaryCall(*context);
  const auto mode = request->force() ? Host::DeleteMode::kForce : Host::DeleteMode::kStoppedOnly;
  host_.DeleteImage(request->name(), mode, call->Answer<Done>([](Done) {}));
  return call;
}

grpc::ServerWriteReactor<v1::KernelProgress>* HostService::AddKernel(
    Context* context, const v1::AddKernelRequest* request) {
  auto* call = new ProgressReactor<v1::KernelProgress, images::KernelRecord>(io_, *context);
  catalog_.AddKernel({request->source(), request->name(), request->modules(), request->sha256()},
                     call->sink(), call->cancellation(), call->Answer());
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
