#include "guest-agent/detached_process.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/exec_request.h"

namespace ember::agent {

absl::StatusOr<std::unique_ptr<DetachedProcess>> DetachedProcess::Start(
    EventLoop& loop, Children& children, Spawner& spawner, ProcessSpec spec, std::string tag,
    std::function<void()> ended) {
  spec.input = InputSource::kNull;
  std::unique_ptr<DetachedProcess> process(
      new DetachedProcess(std::move(tag), OutputRing(kOutputKept), std::move(ended)));
  ASSIGN_OR_RETURN(process->execution_,
                   Execution::Start(loop, children, spawner, spec, process->Events()));
  process->note_ = ProcessNote::Of(spec, process->execution_->pid());
  return process;
}

absl::StatusOr<std::unique_ptr<DetachedProcess>> DetachedProcess::TakeUp(
    EventLoop& loop, Children& children, SavedProcess saved, std::function<void()> ended) {
  std::unique_ptr<DetachedProcess> process(
      new DetachedProcess(saved.about.tag(), std::move(saved.output), std::move(ended)));
  process->note_ = ProcessNote::FromProto(saved.about);
  if (!saved.about.running()) {
    process->exit_ = ExitOf(saved.about.exited());
    return process;
  }
  saved.streams.pid = process->note_.pid;
  ASSIGN_OR_RETURN(process->execution_,
                   Execution::Adopt(loop, children, std::move(saved.streams),
                                    process->note_.tty ? StreamKind::kTerminal : StreamKind::kPipes,
                                    process->Events()));
  return process;
}

Execution::Events DetachedProcess::Events() {
  return {.output =
              [this](OutputStream stream, std::string_view bytes) {
                output_.Append(stream, bytes);
                NotifyFollowers();
              },
          .input_consumed = [this](size_t bytes) { OnInputConsumed(bytes); },
          .ended = [this](const ExitStatus& exit) { OnEnded(exit); }};
}

v1::Process DetachedProcess::ToProto(size_t most_words) const {
  v1::Process process = note_.ToProto(most_words);
  process.set_tag(tag_);
  process.set_running(!exit_.has_value());
  if (exit_.has_value()) *process.mutable_exited() = ExitedOf(*exit_);
  process.set_output_bytes(output_.end());
  process.set_output_lost_bytes(output_.begin());
  return process;
}

void DetachedProcess::Unfollow(Follower& follower) {
  followers_.erase(&follower);
  attached_.erase(&follower);
  for (Input& input : input_) {
    if (std::exchange(input.follower, input.follower == &follower ? nullptr : input.follower) ==
        &follower) {
      unowned_input_ += input.bytes;
    }
  }
}

absl::Status DetachedProcess::GrantInput(Follower& follower) {
  if ((attached_.size() + 1) * kInputCredit + unowned_input_ > kMostInput) {
    return ResourceExhausted("process '{}' has too much input waiting to take more", tag_);
  }
  attached_.insert(&follower);
  return absl::OkStatus();
}

void DetachedProcess::WriteInput(Follower& follower, std::string_view bytes) {
  if (execution_ == nullptr || bytes.empty()) return;
  input_.push_back({&follower, bytes.size()});
  execution_->WriteInput(bytes);
}

void DetachedProcess::OnInputConsumed(size_t bytes) {
  while (bytes > 0 && !input_.empty()) {
    Input& first = input_.front();
    const size_t size = std::min(bytes, first.bytes);
    Follower* const follower = first.follower;
    bytes -= size;
    first.bytes -= size;
    if (first.bytes == 0) input_.pop_front();
    if (follower == nullptr) {
      unowned_input_ -= size;
    } else {
      follower->OnInputConsumed(size);
    }
  }
}

void DetachedProcess::OnEnded(const ExitStatus& exit) {
  exit_ = exit;
  execution_.reset();
  NotifyFollowers();
  if (ended_) ended_();
}

void DetachedProcess::NotifyFollowers() {
  // None of them goes from within the call: a session ends later.
  for (Follower* follower : followers_) follower->OnChange();
}

SavedProcess DetachedProcess::Release() {
  SavedProcess saved{ToProto(ProcessNote::kMostWords), std::move(output_), {}};
  if (execution_ != nullptr) saved.streams = execution_->Release();
  execution_.reset();
  return saved;
}

}  // namespace ember::agent
