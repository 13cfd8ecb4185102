#include "daemon/rpc/follow_reactor.h"

#include <memory>
#include <utility>

#include "daemon/agent_dial.h"
#include "daemon/rpc/session_reactor.h"

namespace ember::daemon::rpc {
namespace {

struct FollowKind {
  using Request = v1::FollowProcessRequest;
  using Response = v1::FollowProcessResponse;
  static constexpr std::string_view kName = "follow";

  static void Begin(Host& host, EventLoop& io, const Request& request,
                    std::shared_ptr<ExecSession::Client> client,
                    Reply<std::shared_ptr<ExecSession>> reply) {
    FollowRequest follow = FromProto(request.start());
    std::string vm = follow.vm_name;
    host.Reach(std::move(vm),
               Reply<ReachedVm>([&io, follow = std::move(follow), client = std::move(client),
                                 reply = std::move(reply)](absl::StatusOr<ReachedVm> vm) mutable {
                 if (!vm.ok()) return reply(vm.status());
                 reply(ExecSession::Follow(io, std::move(vm->machine), follow, kReachLimit,
                                           std::move(client)));
               }));
  }

  static void SetStarted(const StartedProcess& process, Response& response) {
    response.mutable_started()->set_pid(process.pid);
    response.mutable_started()->set_tty(process.tty);
    response.mutable_started()->set_stdin_credit(process.stdin_credit);
  }
};

}  // namespace

grpc::ServerBidiReactor<v1::FollowProcessRequest, v1::FollowProcessResponse>* NewFollowReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context) {
  return NewSessionReactor<FollowKind>(host, io, context);
}

}  // namespace ember::daemon::rpc
