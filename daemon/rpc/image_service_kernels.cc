// The part of ImageService that is about kernels.
#include <utility>

#include "daemon/rpc/convert.h"
#include "daemon/rpc/image_service.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

// Goes on to `reply` with who uses the kernel.
Reply<Host::Uses> WithUses(UnaryCall& call, images::KernelRecord kernel, v1::Kernel* response) {
  return call.Answer<Host::Uses>([response, kernel = std::move(kernel)](const Host::Uses& uses) {
    const auto used = uses.of_kernel.find(kernel.name);
    *response =
        ToProto(kernel, used == uses.of_kernel.end() ? std::vector<std::string>() : used->second);
  });
}

}  // namespace

ImageService::Unary* ImageService::GetKernel(Context* context, const v1::GetKernelRequest* request,
                                             v1::Kernel* response) {
  auto* call = new UnaryCall(*context);
  auto kernel = catalog_.GetKernel(request->name());
  if (!kernel.ok()) {
    call->Finish(StatusToGrpc(kernel.status(), *context));
    return call;
  }
  host_.ListUses(WithUses(*call, *std::move(kernel), response));
  return call;
}

ImageService::Unary* ImageService::SetDefaultKernel(Context* context,
                                                    const v1::SetDefaultKernelRequest* request,
                                                    v1::Kernel* response) {
  auto* call = new UnaryCall(*context);
  catalog_.SetDefaultKernel(
      request->name(), Reply<images::KernelRecord>([this, call, context, response](auto kernel) {
        if (!kernel.ok()) return call->Finish(StatusToGrpc(kernel.status(), *context));
        host_.ListUses(WithUses(*call, *std::move(kernel), response));
      }));
  return call;
}

}  // namespace ember::daemon::rpc
