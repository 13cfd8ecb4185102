#include "daemon/main_process.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/awaited.h"
#include "base/status.h"
#include "daemon/agent_call.h"
#include "daemon/image_defaults.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kAskLimit = absl::Seconds(15);
constexpr absl::Duration kSignalLimit = absl::Seconds(2);

// Waits for the start or the end of a process and drops what it writes. Lives on `io`.
class Bystander : public ExecSession::Client {
 public:
  explicit Bystander(Reply<Done> ended) : ended_(std::move(ended)) {}

  void Watch(std::weak_ptr<ExecSession> session) { session_ = std::move(session); }

  void Started(const StartedProcess&) override {}
  void Output(OutputStream, std::string_view bytes) override { Taken(bytes.size()); }
  void Lost(uint64_t) override { Taken(ExecSession::kNoticeCost); }
  void InputCredit(uint64_t) override { Taken(ExecSession::kNoticeCost); }
  void Ended(absl::StatusOr<ExecResult> result) override {
    if (!result.ok()) return ended_(result.status());
    ended_(Done{});
  }

 private:
  void Taken(size_t bytes) {
    if (const auto session = session_.lock(); session != nullptr) session->OutputTaken(bytes);
  }

  Reply<Done> ended_;
  std::weak_ptr<ExecSession> session_;  // which owns us
};

bool IsListed(const agent::v1::ProcessList& list) {
  return std::any_of(list.processes().begin(), list.processes().end(),
                     [](const auto& process) { return process.tag() == kMainTag; });
}

void StartNow(EventLoop& io, const std::shared_ptr<hypervisor::Machine>& machine,
              const ExecCommand& command, Reply<MainStart> reply) {
  auto client = std::make_shared<Bystander>(
      Reply<Done>([reply = std::move(reply)](absl::StatusOr<Done> started) mutable {
        if (absl::IsAlreadyExists(started.status())) return reply(MainStart::kWasThere);
        if (!started.ok()) return reply(started.status());
        reply(MainStart::kStarted);
      }));
  ExecSession::Start(io, machine, command, kReachLimit, std::move(client));
}

}  // namespace

void StartMainProcess(EventLoop& io, ReachedVm vm, ExecCommand command, Reply<MainStart> reply) {
  agent::v1::ClientFrame question;
  question.mutable_list_processes();
  auto machine = vm.machine;
  AskVm(io, std::move(vm), std::move(question), "processes", kAskLimit,
        Reply<agent::v1::AgentFrame>(
            [&io, machine = std::move(machine), command = std::move(command),
             reply = std::move(reply)](absl::StatusOr<agent::v1::AgentFrame> answer) mutable {
              if (!answer.ok()) return reply(answer.status());
              if (IsListed(answer->process_list())) return reply(MainStart::kWasThere);
              StartNow(io, machine, command, std::move(reply));
            }));
}

void StopMainProcess(EventLoop& io, const std::string& vm_name,
                     std::shared_ptr<hypervisor::Machine> machine, uint32_t signal,
                     const Cancellation& cancellation) {
  agent::v1::ClientFrame question;
  question.mutable_signal_process()->set_tag(std::string(kMainTag));
  question.mutable_signal_process()->set_number(signal);
  question.mutable_signal_process()->set_leader_only(true);
  Awaited<agent::v1::AgentFrame> signalled;
  AskAgent(io, machine, std::move(question), kSignalLimit, signalled.reply());
  const auto answer = signalled.Wait(cancellation, "the stop signal");
  if (!answer.ok() || answer->kind_case() != agent::v1::AgentFrame::kDone) return;

  FollowRequest request;
  request.vm_name = vm_name;
  request.tag = std::string(kMainTag);
  request.follow = true;
  request.tail_bytes = 1;
  Awaited<Done> ended;
  auto client = std::make_shared<Bystander>(ended.reply());
  const auto session = ExecSession::Follow(io, std::move(machine), request, kSignalLimit, client);
  // Behind its dial, and so before anything that it hears.
  io.Post([client, session] { client->Watch(session); });
  if (!ended.Wait(cancellation, "the end of the main process").ok()) {
    io.Post([session] { session->Cancel(); });
  }
}

}  // namespace ember::daemon
