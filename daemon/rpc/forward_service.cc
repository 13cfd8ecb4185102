#include "daemon/rpc/forward_service.h"

#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "daemon/rpc/forward_convert.h"
#include "daemon/rpc/proxy_reactor.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

absl::StatusOr<state::Forward> ForwardOf(const v1::AddForwardRequest& request) {
  state::Forward forward;
  ASSIGN_OR_RETURN(forward.host, FromProto(request.host()));
  ASSIGN_OR_RETURN(forward.guest, FromProto(request.guest()));
  forward.guest.ip.clear();
  forward.reverse = request.reverse();
  return forward;
}

}  // namespace

ForwardService::Unary* ForwardService::AddForward(Context* context,
                                                  const v1::AddForwardRequest* request,
                                                  v1::Forward* response) {
  auto* call = new UnaryCall(*context);
  auto answer =
      call->Answer<ForwardView>([response](const ForwardView& view) { *response = ToProto(view); });
  auto forward = ForwardOf(*request);
  if (forward.ok()) {
    host_.AddForward(request->vm(), *std::move(forward), std::move(answer));
  } else {
    answer(forward.status());
  }
  return call;
}

ForwardService::Unary* ForwardService::ListForwards(Context* context,
                                                    const v1::ListForwardsRequest* request,
                                                    v1::ListForwardsResponse* response) {
  auto* call = new UnaryCall(*context);
  host_.ListForwards(request->vm(), call->Answer<std::vector<ForwardView>>(
                                        [response](const std::vector<ForwardView>& views) {
                                          for (const ForwardView& view : views) {
                                            *response->add_forwards() = ToProto(view);
                                          }
                                        }));
  return call;
}

ForwardService::Unary* ForwardService::RemoveForward(Context* context,
                                                     const v1::RemoveForwardRequest* request,
                                                     v1::RemoveForwardResponse*) {
  auto* call = new UnaryCall(*context);
  host_.RemoveForward(request->id(), call->Answer<Done>([](Done) {}));
  return call;
}

grpc::ServerBidiReactor<v1::ProxyRequest, v1::ProxyResponse>* ForwardService::Proxy(
    Context* context) {
  return NewProxyReactor(host_, io_, *context);
}

}  // namespace ember::daemon::rpc
