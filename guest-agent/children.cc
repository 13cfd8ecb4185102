#include "guest-agent/children.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/status_macros.h"

namespace ember::agent {
namespace {

ExitStatus Decode(int status) {
  ExitStatus exit;
  if (WIFSIGNALED(status)) {
    exit.signal = WTERMSIG(status);
  } else {
    exit.code = WEXITSTATUS(status);
  }
  return exit;
}

constexpr absl::Duration kRecheck = absl::Milliseconds(50);

bool GroupExists(pid_t group) { return kill(-group, 0) == 0 || errno == EPERM; }

// A group that is gone already is what we want.
void SignalGroup(pid_t group, int signal) {
  if (group > 1) kill(-group, signal);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Children>> Children::Create(EventLoop& loop) {
  std::unique_ptr<Children> children(new Children(loop));
  ASSIGN_OR_RETURN(children->signals_,
                   Signals::Create(loop, {SIGCHLD}, [c = children.get()](int) { c->Reap(); }));
  return children;
}

Children::~Children() {
  for (const auto& [leader, group] : hung_up_) loop_.CancelTimer(group.timer);
}

void Children::Watch(pid_t pid, Exited exited) {
  // A pid that is given out again proves that the old group is gone.
  if (const auto old = hung_up_.find(pid); old != hung_up_.end()) {
    loop_.CancelTimer(old->second.timer);
    hung_up_.erase(old);
  }
  watched_[pid] = std::move(exited);
}

void Children::HangUp(pid_t pid, pid_t foreground) {
  const auto found = watched_.find(pid);
  if (found == watched_.end()) return;
  found->second = [](const ExitStatus&) {};
  if (foreground == pid) foreground = 0;
  for (const pid_t group : {pid, foreground}) {
    SignalGroup(group, SIGHUP);
    SignalGroup(group, SIGCONT);  // a stopped process would not see its SIGHUP
  }
  const auto timer = loop_.RunAfter(kHangUpGrace, [this, pid] { Kill(pid); });
  hung_up_[pid] = {foreground, Deadline::After(kHangUpGrace), timer};
}

void Children::CheckHungUp(pid_t leader) {
  const auto found = hung_up_.find(leader);
  if (found == hung_up_.end() || watched_.contains(leader)) return;
  HungUp& group = found->second;
  if (!GroupExists(leader) && (group.foreground == 0 || !GroupExists(group.foreground))) {
    ForgetHungUp(leader);
  } else if (group.kill_at.expired()) {
    Kill(leader);
  } else {
    loop_.CancelTimer(group.timer);
    group.timer = loop_.RunAfter(std::min(kRecheck, group.kill_at.Remaining()),
                                 [this, leader] { CheckHungUp(leader); });
  }
}

void Children::ForgetHungUp(pid_t leader) {
  const auto found = hung_up_.find(leader);
  loop_.CancelTimer(found->second.timer);
  hung_up_.erase(found);
  ReportIdle();
}

void Children::Kill(pid_t leader) {
  const auto found = hung_up_.find(leader);
  if (found == hung_up_.end()) return;
  SignalGroup(leader, SIGKILL);
  SignalGroup(found->second.foreground, SIGKILL);
  ForgetHungUp(leader);
}

void Children::KillHungUp() {
  std::vector<pid_t> leaders;
  for (const auto& [leader, group] : hung_up_) leaders.push_back(leader);
  for (const pid_t leader : leaders) Kill(leader);
}

void Children::WhenIdle(std::function<void()> idle) {
  idle_ = std::move(idle);
  ReportIdle();
}

void Children::WhenNoneHungUp(std::function<void()> quiet) {
  quiet_ = std::move(quiet);
  ReportIdle();
}

void Children::WhenChildless(std::function<void()> childless) {
  childless_ = std::move(childless);
  Reap();
}

void Children::ReportIdle() {
  if (!hung_up_.empty()) return;
  if (quiet_) std::exchange(quiet_, nullptr)();
  if (idle_ && watched_.empty()) std::exchange(idle_, nullptr)();
}

void Children::Reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    const auto found = watched_.find(pid);
    if (found == watched_.end()) continue;  // an orphan
    const Exited exited = std::move(found->second);
    watched_.erase(found);
    // Others of its group may live on and have their grace.
    CheckHungUp(pid);
    exited(Decode(status));
  }
  ReportIdle();
  if (pid < 0 && childless_) std::exchange(childless_, nullptr)();
}

}  // namespace ember::agent
