#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/exec_request.h"
#include "guest-agent/input_gate.h"
#include "guest-agent/process_table.h"
#include "guest-agent/session_task.h"

namespace ember::agent {
namespace {

using v1::AgentFrame;
using v1::ClientFrame;

// Output that waits for the client before no more is read from the ring, in bytes.
constexpr size_t kOutputLimit = size_t{256} << 10;
constexpr size_t kPiece = size_t{64} << 10;

// One reader of a detached process's output. It keeps a place in the ring and copies from it only
// as fast as its client reads; where the ring has moved past it, it says how much is lost.
class FollowTask : public SessionTask, private DetachedProcess::Follower {
 public:
  FollowTask(ClientLink& link, std::shared_ptr<DetachedProcess> process)
      : link_(link), process_(std::move(process)) {}
  ~FollowTask() override { process_->Unfollow(*this); }

  absl::Status Start(const v1::FollowProcess& request) {
    const bool takes_input = request.attach() && process_->note().tty;
    RETURN_IF_ERROR(CheckSize(request.tty().rows(), request.tty().columns()));
    process_->Follow(*this);
    if (takes_input) RETURN_IF_ERROR(process_->GrantInput(*this));
    attached_ = request.attach();
    const OutputRing& output = process_->output();
    if (!request.follow() && !attached_) stop_at_ = output.end();
    if (request.tail_bytes() != 0) {
      position_ =
          std::max(output.begin(), output.end() - std::min(output.end(), request.tail_bytes()));
    }
    if (takes_input && request.has_tty()) {
      process_->Resize(SizeOf(request.tty().rows(), request.tty().columns()));
    }
    SendStarted(takes_input ? DetachedProcess::kInputCredit : 0);
    Pump();
    return absl::OkStatus();
  }

  absl::Status OnFrame(const ClientFrame& frame) override {
    if (!attached_) return InvalidArgument("a frame to a process that is not attached to");
    RETURN_IF_ERROR(input_.Check(frame));
    switch (frame.kind_case()) {
      case ClientFrame::kStdinData:
        process_->WriteInput(*this, frame.stdin_data().payload());
        break;
      case ClientFrame::kStdinEnd:
        process_->EndInput();
        break;
      case ClientFrame::kResize:
        process_->Resize(SizeOf(frame.resize().rows(), frame.resize().columns()));
        break;
      default:
        process_->Signal(static_cast<int>(frame.signal().number()), SignalTarget::kForeground);
    }
    return absl::OkStatus();
  }

  void OnSent() override {
    if (link_.pending() >= kOutputLimit / 2) return;
    SendCredit();
    Pump();
  }

 private:
  void OnChange() override { Pump(); }
  void OnInputConsumed(size_t bytes) override {
    credit_due_ += bytes;
    SendCredit();
  }

  void SendStarted(uint64_t credit) {
    AgentFrame frame;
    v1::FollowStarted& started = *frame.mutable_follow_started();
    started.set_pid(static_cast<uint32_t>(process_->note().pid));
    started.set_tty(process_->note().tty);
    started.set_stdin_credit(credit);
    input_.Grant(credit);
    link_.Send(frame);
  }

  void SendCredit() {
    if (credit_due_ < DetachedProcess::kInputCredit / 2 || link_.pending() >= kOutputLimit) return;
    AgentFrame frame;
    frame.mutable_stdin_credit()->set_bytes(credit_due_);
    input_.Grant(credit_due_);
    credit_due_ = 0;
    link_.Send(frame);
  }

  // Sends what there is, as far as the client keeps up, then the end if it has come.
  void Pump() {
    while (!over_ && position_ < End()) {
      if (link_.pending() >= kOutputLimit) return;
      SendNext();
    }
    if (over_) return;
    if (process_->exit().has_value() && position_ == process_->output().end()) {
      AgentFrame frame;
      *frame.mutable_exec_exited() = ExitedOf(*process_->exit());
      Finish(frame);
    } else if (stop_at_.has_value()) {
      AgentFrame frame;
      frame.mutable_follow_ended();
      Finish(frame);
    }
  }

  uint64_t End() const { return stop_at_.value_or(process_->output().end()); }

  void SendNext() {
    const OutputRing& output = process_->output();
    AgentFrame frame;
    if (position_ < output.begin()) {
      const uint64_t next = std::min(output.begin(), End());
      frame.mutable_output_lost()->set_bytes(next - position_);
      position_ = next;
    } else {
      const auto piece = output.Read(position_, std::min<uint64_t>(kPiece, End() - position_));
      (piece.stream == OutputStream::kOut ? frame.mutable_stdout_data()
                                          : frame.mutable_stderr_data())
          ->set_payload(piece.bytes.data(), piece.bytes.size());
      position_ += piece.bytes.size();
    }
    link_.Send(frame);
  }

  void Finish(const AgentFrame& frame) {
    over_ = true;
    link_.Send(frame);
    link_.Finish();
  }

  ClientLink& link_;
  const std::shared_ptr<DetachedProcess> process_;  // shared with the table, which may forget it
  InputGate input_;
  bool attached_ = false;
  bool over_ = false;
  uint64_t position_ = 0;            // of the ring, what comes next
  std::optional<uint64_t> stop_at_;  // of the ring; nothing: the process's end
  uint64_t credit_due_ = 0;          // consumed and not yet told to the client
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartFollowTask(const Context& context,
                                                             const ClientFrame& request,
                                                             ClientLink& link) {
  ASSIGN_OR_RETURN(auto process, context.processes.Find(request.follow_process().tag()));
  auto task = std::make_unique<FollowTask>(link, std::move(process));
  RETURN_IF_ERROR(task->Start(request.follow_process()));
  return task;
}

}  // namespace ember::agent
