#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "guest-agent/children.h"
#include "guest-agent/execution.h"
#include "guest-agent/output_ring.h"
#include "guest-agent/process_note.h"
#include "guest-agent/saved_process.h"

namespace ember::agent {

// A process that no session owns. What it writes is always read, into a ring: it never waits for a
// reader. It has no input, or with a terminal that of whoever attaches. Lives on the event loop.
class DetachedProcess {
 public:
  // Bytes of output that are kept.
  static constexpr size_t kOutputKept = size_t{1} << 20;
  // Bytes of input that one attached follower may send ahead, and that all together may.
  static constexpr size_t kInputCredit = size_t{64} << 10;
  static constexpr size_t kMostInput = size_t{1} << 20;

  // Somebody who reads along. Called on the loop.
  class Follower {
   public:
    virtual ~Follower() = default;
    // There is more output, or the end.
    virtual void OnChange() = 0;
    // So many bytes of what this follower sent are done with.
    virtual void OnInputConsumed(size_t bytes) = 0;
  };

  // Starts it. Errors as Execution::Start. Calls `ended` once it has ended.
  static absl::StatusOr<std::unique_ptr<DetachedProcess>> Start(EventLoop& loop, Children& children,
                                                                Spawner& spawner, ProcessSpec spec,
                                                                std::string tag,
                                                                std::function<void()> ended);
  // Takes up one that was released by the process that we were before: a child of ours.
  static absl::StatusOr<std::unique_ptr<DetachedProcess>> TakeUp(EventLoop& loop,
                                                                 Children& children,
                                                                 SavedProcess saved,
                                                                 std::function<void()> ended);
  DetachedProcess(const DetachedProcess&) = delete;
  DetachedProcess& operator=(const DetachedProcess&) = delete;

  const std::string& tag() const { return tag_; }
  const ProcessNote& note() const { return note_; }
  const OutputRing& output() const { return output_; }
  // How it ended; nothing while it runs.
  const std::optional<ExitStatus>& exit() const { return exit_; }
  // With so many bytes of its words at most.
  v1::Process ToProto(size_t most_words) const;

  // Adds a follower, who removes itself before it goes.
  void Follow(Follower& follower) { followers_.insert(&follower); }
  void Unfollow(Follower& follower);

  // Lets a follower of a process with a terminal send kInputCredit ahead. ResourceExhausted when
  // too much input waits already.
  absl::Status GrantInput(Follower& follower);
  void WriteInput(Follower& follower, std::string_view bytes);
  void EndInput() {
    if (execution_ != nullptr) execution_->EndInput();
  }
  void Resize(TerminalSize size) {
    if (execution_ != nullptr) execution_->Resize(size);
  }
  // Nothing happens after its end.
  void Signal(int number, SignalTarget target) {
    if (execution_ != nullptr) execution_->Signal(number, target);
  }

  // Hangs it up if it runs: its end is not reported to anybody.
  void HangUp() { execution_.reset(); }
  // Gives everything up for the process that we are about to become; nothing more happens here.
  SavedProcess Release();

 private:
  // Input of one follower on its way; of nobody once the follower has gone.
  struct Input {
    Follower* follower;
    size_t bytes;
  };

  DetachedProcess(std::string tag, OutputRing output, std::function<void()> ended)
      : tag_(std::move(tag)), ended_(std::move(ended)), output_(std::move(output)) {}
  Execution::Events Events();
  void OnInputConsumed(size_t bytes);
  void OnEnded(const ExitStatus& exit);
  void NotifyFollowers();

  const std::string tag_;
  const std::function<void()> ended_;
  ProcessNote note_;
  OutputRing output_;
  std::optional<ExitStatus> exit_;
  std::set<Follower*> followers_;         // borrowed
  std::set<Follower*> attached_;          // those of them that may send input
  std::deque<Input> input_;               // what the execution has not consumed, in order
  size_t unowned_input_ = 0;              // bytes in it of followers that have gone
  std::unique_ptr<Execution> execution_;  // while it runs
};

}  // namespace ember::agent
