#include "cli/kernel_calls.h"

#include "cli/calls.h"
#include "ember/v1/image_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::ImageService::Stub;

}  // namespace

absl::StatusOr<v1::Kernel> GetKernel(Client& client, const std::string& name) {
  v1::GetKernelRequest request;
  request.set_name(name);
  const auto stub = v1::ImageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncGetKernel, request, {});
}

absl::StatusOr<v1::Kernel> SetDefaultKernel(Client& client, const std::string& name) {
  v1::SetDefaultKernelRequest request;
  request.set_name(name);
  const auto stub = v1::ImageService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncSetDefaultKernel, request, {});
}

}  // namespace ember::cli
