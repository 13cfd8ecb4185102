#include "cli/forward_calls.h"

#include "cli/calls.h"
#include "ember/v1/forward_service.grpc.pb.h"

namespace ember::cli {
namespace {

using Stub = v1::ForwardService::Stub;

}  // namespace

absl::StatusOr<v1::Forward> AddForward(Client& client, const v1::AddForwardRequest& request) {
  const auto stub = v1::ForwardService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncAddForward, request, {});
}

absl::StatusOr<v1::ListForwardsResponse> ListForwards(Client& client, const std::string& vm) {
  v1::ListForwardsRequest request;
  request.set_vm(vm);
  const auto stub = v1::ForwardService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncListForwards, request, {});
}

absl::Status RemoveForward(Client& client, const std::string& id) {
  v1::RemoveForwardRequest request;
  request.set_id(id);
  const auto stub = v1::ForwardService::NewStub(client.channel());
  return CallOne(*stub, client.signals(), &Stub::AsyncRemoveForward, request, {}).status();
}

}  // namespace ember::cli
