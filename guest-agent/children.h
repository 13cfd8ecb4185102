#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/event_loop.h"
#include "base/subprocess.h"
#include "guest-agent/signals.h"

namespace ember::agent {

// Reaps every child of this process: those of sessions, whose exit it reports, and, as process 1,
// the orphans that the kernel hands over. One place reaps, so that none takes another's status.
// Lives on the event loop.
class Children {
 public:
  // Called once with how the child ended; it is reaped by then and its pid may be used again.
  using Exited = std::function<void(ExitStatus)>;

  // How long a process group has between SIGHUP and SIGKILL.
  static constexpr absl::Duration kHangUpGrace = absl::Seconds(5);

  // Blocks SIGCHLD for the calling thread and watches it on `loop`, which must outlive the object.
  static absl::StatusOr<std::unique_ptr<Children>> Create(EventLoop& loop);
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  // Reports the end of a child that leads a process group. Before the loop runs again, so that its
  // end can't have been missed.
  void Watch(pid_t pid, Exited exited);

  // Ends a watched child whose session nobody follows any more: SIGHUP to its process group and to
  // `foreground` (the one that has its terminal, or 0), SIGKILL to what is left of both after
  // kHangUpGrace. Its end is not reported. Does nothing when it has ended.
  void HangUp(pid_t pid, pid_t foreground);

  // Watches a child no more: it stays a child, and is not to be hung up.
  void Release(pid_t pid) { watched_.erase(pid); }

  // SIGKILL now to every group that was hung up.
  void KillHungUp();

  // Calls `idle` once no child is watched and no group hung up; at once if that is so.
  void WhenIdle(std::function<void()> idle);

  // Calls `quiet` once no group that was hung up is left; at once if that is so.
  void WhenNoneHungUp(std::function<void()> quiet);

  // Calls `childless` once this process has no child of any kind; at once if that is so.
  void WhenChildless(std::function<void()> childless);

 private:
  struct HungUp {
    pid_t foreground;
    Deadline kill_at;
    EventLoop::TimerId timer;
  };

  explicit Children(EventLoop& loop) : loop_(loop) {}
  void Reap();
  // Kills the group when its grace is over; forgets it when it is gone. A group that outlives its
  // leader is looked at again soon: of the end of the others nobody tells us.
  void CheckHungUp(pid_t leader);
  void Kill(pid_t leader);
  void ForgetHungUp(pid_t leader);
  void ReportIdle();

  EventLoop& loop_;
  std::unique_ptr<Signals> signals_;
  std::unordered_map<pid_t, Exited> watched_;
  std::unordered_map<pid_t, HungUp> hung_up_;  // by leader, which may be reaped already
  std::function<void()> idle_;
  std::function<void()> quiet_;
  std::function<void()> childless_;
};

}  // namespace ember::agent
