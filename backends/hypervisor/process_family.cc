#include "backends/hypervisor/process_family.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>

#include "backends/hypervisor/call_gate.h"
#include "backends/hypervisor/process_log.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::hypervisor {
namespace {

constexpr absl::Duration kCompanionGrace = absl::Milliseconds(500);
constexpr absl::Duration kLogCheck = absl::Seconds(30);
constexpr absl::Duration kWatchRetry = absl::Seconds(1);

}  // namespace

// Lives on `io`, except for what is const and `over_`, whose writing comes before `ended_`.
class ProcessFamily::State : public std::enable_shared_from_this<State> {
 public:
  State(EventLoop& io, Members members, CompanionLost companion_lost, UniqueFd ended)
      : io_(io),
        hypervisor_(std::move(members.hypervisor)),
        sockets_(std::move(members.sockets)),
        logs_(std::move(members.logs)),
        companion_lost_(std::move(companion_lost)),
        ended_(std::move(ended)) {
    for (Process& companion : members.companions) companions_.push_back(std::move(companion));
  }

  EventLoop& io() { return io_; }
  CallGate& gate() { return gate_; }
  int ended_fd() const { return ended_.get(); }
  bool over() const { return over_.load(std::memory_order_acquire); }
  // Only once over().
  const ExitReport& report() const { return report_; }

  void Start() {
    WatchHypervisor();
    for (Process& companion : companions_) WatchCompanion(companion);
    log_timer_ = io_.RunAfter(kLogCheck, [self = shared_from_this()] { self->CheckLogs(); });
  }

  void Join(Process companion) {
    companions_.push_back(std::move(companion));
    WatchCompanion(companions_.back());
    if (hypervisor_.Ended()) EndCompanions();
  }

  // Errors are ignored: to a process of our own there is none but "it has ended".
  void Signal(int signal) { hypervisor_.Signal(signal).IgnoreError(); }

  void SetOnExit(std::function<void(ExitReport)> on_exit) {
    on_exit_ = std::move(on_exit);
    if (over()) CallOnExit();
  }

  void LetGo() {
    io_.Forget(hypervisor_.pidfd());
    for (const Process& companion : companions_) io_.Forget(companion.pidfd());
    for (EventLoop::TimerId* timer : {&log_timer_, &grace_timer_, &retry_timer_}) {
      io_.CancelTimer(std::exchange(*timer, 0));
    }
    on_exit_ = nullptr;
    companion_lost_ = nullptr;
  }

 private:
  void WatchHypervisor() {
    Watch(hypervisor_.pidfd(), [self = shared_from_this()] { self->HypervisorEnded(); });
  }

  void WatchCompanion(Process& companion) {
    Watch(companion.pidfd(),
          [self = shared_from_this(), &companion] { self->CompanionEnded(companion); });
  }

  void Watch(int pidfd, const std::function<void()>& ended) {
    const absl::Status watched =
        io_.Watch(pidfd, EPOLLIN, [self = shared_from_this(), pidfd, ended](uint32_t) {
          self->io_.Forget(pidfd);
          ended();
        });
    if (watched.ok()) return;
    // The host's limit on watches is reached for now; the end of the process is not to be missed.
    retry_timer_ = io_.RunAfter(
        kWatchRetry, [self = shared_from_this(), pidfd, ended] { self->Watch(pidfd, ended); });
  }

  void HypervisorEnded() {
    report_.exit = hypervisor_.TryWait().value_or(ExitStatus{});
    EndCompanions();
  }

  void EndCompanions() {
    if (companions_.empty()) return Finish();
    if (grace_timer_ != 0) return;
    grace_timer_ = io_.RunAfter(kCompanionGrace, [self = shared_from_this()] {
      for (const Process& companion : self->companions_) companion.Signal(SIGKILL).IgnoreError();
    });
  }

  void CompanionEnded(Process& companion) {
    companion.TryWait();
    const ProcessIdentity identity = companion.identity();
    companions_.remove_if([&](const Process& each) { return &each == &companion; });
    if (hypervisor_.Ended()) {
      // Its own event may come only after this one.
      if (companions_.empty() && grace_timer_ != 0) Finish();
      return;
    }
    if (companion_lost_) gate_.Enter([&] { companion_lost_(identity); });
  }

  void Finish() {
    if (over()) return;
    for (const auto& socket : sockets_) unlink(socket.c_str());
    if (!logs_.empty()) report_.last_words = LastWords(logs_.front());
    io_.CancelTimer(std::exchange(log_timer_, 0));
    io_.CancelTimer(std::exchange(grace_timer_, 0));
    over_.store(true, std::memory_order_release);
    eventfd_write(ended_.get(), 1);
    CallOnExit();
  }

  void CallOnExit() {
    const auto on_exit = std::exchange(on_exit_, nullptr);
    if (on_exit) gate_.Enter([&] { on_exit(report_); });
  }

  void CheckLogs() {
    for (const auto& log : logs_) BoundLog(log);
    log_timer_ = io_.RunAfter(kLogCheck, [self = shared_from_this()] { self->CheckLogs(); });
  }

  EventLoop& io_;
  Process hypervisor_;
  std::list<Process> companions_;  // those that live; a list, so that each keeps its address
  const std::vector<std::filesystem::path> sockets_;
  const std::vector<std::filesystem::path> logs_;
  CompanionLost companion_lost_;
  std::function<void(ExitReport)> on_exit_;
  EventLoop::TimerId log_timer_ = 0;
  EventLoop::TimerId grace_timer_ = 0;
  EventLoop::TimerId retry_timer_ = 0;

  CallGate gate_;
  ExitReport report_;
  std::atomic<bool> over_{false};
  const UniqueFd ended_;  // an eventfd, readable for ever once over_
};

absl::StatusOr<std::unique_ptr<ProcessFamily>> ProcessFamily::Watch(EventLoop& io, Members members,
                                                                    CompanionLost companion_lost) {
  UniqueFd ended(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ended.valid()) return ErrnoStatus(errno, "eventfd");
  auto state =
      std::make_shared<State>(io, std::move(members), std::move(companion_lost), std::move(ended));
  io.Post([state] { state->Start(); });
  return std::unique_ptr<ProcessFamily>(new ProcessFamily(std::move(state)));
}

ProcessFamily::~ProcessFamily() {
  EventLoop& io = state_->io();
  state_->gate().Close(io.IsCurrent() ? CallGate::From::kCallingThread
                                      : CallGate::From::kElsewhere);
  io.Post([state = state_] { state->LetGo(); });
}

bool ProcessFamily::Ended() const { return state_->over(); }

void ProcessFamily::Join(Process companion) {
  state_->io().Post([state = state_, companion = std::move(companion)]() mutable {
    state->Join(std::move(companion));
  });
}

void ProcessFamily::Signal(int signal) {
  state_->io().Post([state = state_, signal] { state->Signal(signal); });
}

absl::Status ProcessFamily::Kill(const Cancellation& cancellation) {
  Signal(SIGKILL);
  return WaitForExit(cancellation).status();
}

absl::StatusOr<ExitReport> ProcessFamily::WaitForExit(const Cancellation& cancellation) {
  RETURN_IF_ERROR(cancellation.WaitReadable(state_->ended_fd(), "wait for the end of the machine"));
  EMBER_CHECK(state_->over());
  return state_->report();
}

void ProcessFamily::OnExit(std::function<void(ExitReport)> ended) {
  state_->io().Post(
      [state = state_, ended = std::move(ended)]() mutable { state->SetOnExit(std::move(ended)); });
}

}  // namespace ember::hypervisor
