#include "daemon/rpc/exec_reactor.h"

#include <memory>
#include <utility>

#include "daemon/rpc/session_reactor.h"

namespace ember::daemon::rpc {
namespace {

struct ExecKind {
  using Request = v1::ExecRequest;
  using Response = v1::ExecResponse;
  static constexpr std::string_view kName = "exec";

  static void Begin(Host& host, EventLoop&, const Request& request,
                    std::shared_ptr<ExecSession::Client> client,
                    Reply<std::shared_ptr<ExecSession>> reply) {
    auto command = FromProto(request.start());
    if (!command.ok()) return reply(command.status());
    host.Exec(*std::move(command), std::move(client), std::move(reply));
  }

  static void SetStarted(const StartedProcess& process, Response& response) {
    response.mutable_started()->set_pid(process.pid);
    response.mutable_started()->set_stdin_credit(process.stdin_credit);
    response.mutable_started()->set_tag(process.tag);
  }
};

}  // namespace

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* NewExecReactor(
    Host& host, EventLoop& io, grpc::CallbackServerContext& context) {
  return NewSessionReactor<ExecKind>(host, io, context);
}

}  // namespace ember::daemon::rpc
