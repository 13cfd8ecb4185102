#include <string>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/exec_request.h"
#include "guest-agent/execution.h"
#include "guest-agent/input_gate.h"
#include "guest-agent/process_table.h"
#include "guest-agent/session_task.h"

namespace ember::agent {
namespace {

using v1::AgentFrame;
using v1::ClientFrame;

// Input that a client may send ahead of the process, in bytes.
constexpr uint64_t kInputCredit = 256 << 10;
// Output that waits for the client before the process is stopped in its write, in bytes.
constexpr size_t kOutputLimit = size_t{256} << 10;

// One command. Holds at most kOutputLimit plus one read of output and kInputCredit of input.
class ExecTask : public SessionTask {
 public:
  explicit ExecTask(ClientLink& link) : link_(link) {}

  absl::Status Start(const Context& context, const v1::ExecStart& start) {
    ASSIGN_OR_RETURN(const ProcessSpec spec, SpecOf(start));
    ASSIGN_OR_RETURN(
        execution_,
        Execution::Start(context.loop, context.children, context.spawner, spec,
                         {.output = [this](OutputStream stream,
                                           std::string_view bytes) { OnOutput(stream, bytes); },
                          .input_consumed = [this](size_t bytes) { OnInputConsumed(bytes); },
                          .ended = [this](const ExitStatus& exit) { OnEnded(exit); }}));
    entry_ = context.processes.Enter(ProcessNote::Of(spec, execution_->pid()));
    input_.Grant(kInputCredit);
    AgentFrame frame;
    frame.mutable_exec_started()->set_pid(static_cast<uint32_t>(execution_->pid()));
    frame.mutable_exec_started()->set_stdin_credit(kInputCredit);
    link_.Send(frame);
    context.log.Debug("exec",
                      {{"program", start.argv(0)}, {"pid", std::to_string(execution_->pid())}});
    return absl::OkStatus();
  }

  absl::Status OnFrame(const ClientFrame& frame) override {
    RETURN_IF_ERROR(input_.Check(frame));
    switch (frame.kind_case()) {
      case ClientFrame::kStdinData:
        execution_->WriteInput(frame.stdin_data().payload());
        break;
      case ClientFrame::kStdinEnd:
        execution_->EndInput();
        break;
      case ClientFrame::kResize:
        execution_->Resize(SizeOf(frame.resize().rows(), frame.resize().columns()));
        break;
      default:
        execution_->Signal(static_cast<int>(frame.signal().number()));
    }
    return absl::OkStatus();
  }

  void OnSent() override {
    if (link_.pending() >= kOutputLimit / 2) return;
    SendCredit();
    execution_->ReleaseOutput();
  }

 private:
  void OnOutput(OutputStream stream, std::string_view bytes) {
    std::string& payload = *(stream == OutputStream::kOut ? output_frame_.mutable_stdout_data()
                                                          : output_frame_.mutable_stderr_data())
                                ->mutable_payload();
    payload.assign(bytes);
    link_.Send(output_frame_);
    if (link_.pending() >= kOutputLimit) execution_->HoldOutput();
  }

  void OnInputConsumed(size_t bytes) {
    credit_due_ += bytes;
    SendCredit();
  }

  // Told in halves of the window, so that a busy input costs few frames; what is left is told when
  // the client reads again.
  void SendCredit() {
    if (credit_due_ < kInputCredit / 2 || link_.pending() >= kOutputLimit) return;
    AgentFrame frame;
    frame.mutable_stdin_credit()->set_bytes(credit_due_);
    input_.Grant(credit_due_);
    credit_due_ = 0;
    link_.Send(frame);
  }

  void OnEnded(const ExitStatus& exit) {
    entry_.reset();
    AgentFrame frame;
    *frame.mutable_exec_exited() = ExitedOf(exit);
    link_.Send(frame);
    link_.Finish();
  }

  ClientLink& link_;
  InputGate input_;
  AgentFrame output_frame_;  // reused: its payload keeps its memory
  std::unique_ptr<Execution> execution_;
  std::unique_ptr<ProcessTable::Entry> entry_;  // while it runs
  uint64_t credit_due_ = 0;                     // consumed and not yet told to the client
};

// A process that outlives the session: this one ends with its start.
absl::Status StartDetached(const Context& context, const v1::ExecStart& start, ClientLink& link) {
  ASSIGN_OR_RETURN(ProcessSpec spec, SpecOf(start));
  ASSIGN_OR_RETURN(const auto process,
                   context.processes.Start(std::move(spec), start.detach().tag()));
  AgentFrame frame;
  frame.mutable_exec_started()->set_pid(static_cast<uint32_t>(process->note().pid));
  frame.mutable_exec_started()->set_tag(process->tag());
  link.Send(frame);
  link.Finish();
  context.log.Debug("detached", {{"program", start.argv(0)}, {"tag", process->tag()}});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartExecTask(const Context& context,
                                                           const ClientFrame& request,
                                                           ClientLink& link) {
  if (request.exec_start().has_detach()) {
    RETURN_IF_ERROR(StartDetached(context, request.exec_start(), link));
    return nullptr;
  }
  auto task = std::make_unique<ExecTask>(link);
  RETURN_IF_ERROR(task->Start(context, request.exec_start()));
  return task;
}

}  // namespace ember::agent
