#include "daemon/rpc/process_service.h"

#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"
#include "daemon/rpc/follow_reactor.h"
#include "daemon/rpc/unary_call.h"

namespace ember::daemon::rpc {
namespace {

constexpr absl::Duration kAskLimit = absl::Seconds(15);

// What the agent's reason is for a command, and what it means for a signal.
constexpr std::string_view kCannotExecute = "EXEC_CANNOT_EXECUTE";
constexpr std::string_view kProcessEnded = "PROCESS_ENDED";

v1::Process ToProto(const agent::v1::Process& process) {
  v1::Process proto;
  proto.set_tag(process.tag());
  proto.set_pid(process.pid());
  *proto.mutable_argv() = process.argv();
  proto.set_user(process.user());
  proto.mutable_started_at()->set_seconds(static_cast<int64_t>(process.started_unix_ms() / 1000));
  proto.mutable_started_at()->set_nanos(
      static_cast<int32_t>(process.started_unix_ms() % 1000 * 1'000'000));
  proto.set_tty(process.tty());
  proto.set_running(process.running());
  if (process.exited().how_case() == agent::v1::ExecExited::kSignal) {
    proto.mutable_exited()->set_signal(process.exited().signal());
  } else if (process.has_exited()) {
    proto.mutable_exited()->set_code(process.exited().code());
  }
  proto.set_output_bytes(process.output_bytes());
  proto.set_output_lost_bytes(process.output_lost_bytes());
  return proto;
}

}  // namespace

void ProcessService::Ask(const std::string& vm, agent::v1::ClientFrame question,
                         agent::v1::AgentFrame::KindCase expected,
                         Reply<agent::v1::AgentFrame> reply) {
  auto checked =
      Reply<agent::v1::AgentFrame>([vm, expected, reply = std::move(reply)](
                                       absl::StatusOr<agent::v1::AgentFrame> answer) mutable {
        if (answer.ok() && answer->kind_case() != expected) {
          answer = Internal("vm '{}': its agent answered something else", vm);
        }
        reply(std::move(answer));
      });
  host_.Reach(
      vm, Reply<ReachedVm>([&io = io_, question = std::move(question),
                            reply = std::move(checked)](absl::StatusOr<ReachedVm> vm) mutable {
        if (!vm.ok()) return reply(vm.status());
        AskVm(io, *std::move(vm), std::move(question), "processes", kAskLimit, std::move(reply));
      }));
}

ProcessService::Unary* ProcessService::ListProcesses(Context* context,
                                                     const v1::ListProcessesRequest* request,
                                                     v1::ListProcessesResponse* response) {
  auto* call = new UnaryCall(*context);
  agent::v1::ClientFrame question;
  question.mutable_list_processes();
  Ask(request->vm(), std::move(question), agent::v1::AgentFrame::kProcessList,
      call->Answer<agent::v1::AgentFrame>([response](const agent::v1::AgentFrame& answer) {
        for (const agent::v1::Process& process : answer.process_list().processes()) {
          *response->add_processes() = ToProto(process);
        }
      }));
  return call;
}

ProcessService::Unary* ProcessService::SignalProcess(Context* context,
                                                     const v1::SignalProcessRequest* request,
                                                     v1::SignalProcessResponse*) {
  auto* call = new UnaryCall(*context);
  agent::v1::ClientFrame question;
  question.mutable_signal_process()->set_tag(request->tag());
  question.mutable_signal_process()->set_number(request->signal());
  question.mutable_signal_process()->set_leader_only(request->leader_only());
  auto reply = call->Answer<agent::v1::AgentFrame>([](const auto&) {});
  Ask(request->vm(), std::move(question), agent::v1::AgentFrame::kDone,
      Reply<agent::v1::AgentFrame>(
          [reply = std::move(reply)](absl::StatusOr<agent::v1::AgentFrame> answer) mutable {
            if (ReasonOf(answer.status()) == kCannotExecute) {
              answer = WithReason(answer.status(), kProcessEnded);
            }
            reply(std::move(answer));
          }));
  return call;
}

grpc::ServerBidiReactor<v1::FollowProcessRequest, v1::FollowProcessResponse>*
ProcessService::FollowProcess(Context* context) {
  return NewFollowReactor(host_, io_, *context);
}

}  // namespace ember::daemon::rpc
