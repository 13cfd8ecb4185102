#include "daemon/agent_watch.h"

#include <unistd.h>

#include <utility>

#include "base/socket.h"
#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
std::string_view AgentStateName(AgentState state) {
  switch (state) {
    case AgentState::kNone:
      return "none";
    case AgentState::kWaiting:
      return "waiting";
    case AgentState::kReady:
      return "ready";
    case AgentState::kLost:
      return "lost";
  }
  return "none";
}

class AgentWatch::Core : public std::enable_shared_from_this<AgentWatch::Core> {
 public:
  Core(EventLoop& io, const Log& log, std::filesystem::path socket,
       std::shared_ptr<hypervisor::Machine> machine, Changed changed, Periods periods)
      : io_(io),
        log_(log),
        socket_(std::move(socket)),
        machine_(std::move(machine)),
        changed_(std::move(changed)),
        periods_(periods) {}

  void Start() {
    if (closed_) return;
    auto listener = ListenUnix(socket_, 0600);
    if (listener.ok()) {
      listener_ = *std::move(listener);
      // A watch that can't be had leaves the poll.
      io_.Watch(listener_.get(), EPOLLIN, [this](uint32_t) { OnCalled(); }).IgnoreError();
    } else {
      log_.Warn("readiness falls back to polling",
                {{"cause", std::string(Message(listener.status()))}});
    }
    Probe();
  }

  EventLoop& io() const { return io_; }

  void Suspend() {
    suspended_ = true;
    io_.CancelTimer(timer_);
  }

  void Resume() {
    if (!std::exchange(suspended_, false) || closed_) return;
    unanswered_ = 0;
    if (!probing_) Probe();
  }

  void Close() {
    closed_ = true;
    changed_ = nullptr;
    io_.CancelTimer(timer_);
    if (!listener_.valid()) return;
    io_.Forget(listener_.get());
    listener_.Reset();
    unlink(socket_.c_str());
  }

 private:
  // The guest says that its agent serves now: ask it at once.
  void OnCalled() {
    while (true) {
      auto caller = AcceptUnix(listener_.get());
      if (!caller.ok() || !caller->valid()) break;
    }
    if (probing_) {
      probe_again_ = true;
    } else {
      Probe();
    }
  }

  void Probe() {
    if (closed_) return;
    io_.CancelTimer(timer_);
    probing_ = true;
    AskAgent(io_, machine_, {}, periods_.probe_limit,
             Reply<agent::v1::AgentFrame>(
                 [self = shared_from_this()](absl::StatusOr<agent::v1::AgentFrame> answer) {
                   self->OnAnswer(answer.ok() && answer->has_hello_reply());
                 }));
  }

  void OnAnswer(bool answered) {
    probing_ = false;
    if (closed_ || (suspended_ && !answered)) return;
    if (answered) {
      unanswered_ = 0;
      Become(AgentState::kReady);
    } else if (state_ == AgentState::kReady && ++unanswered_ >= kLostAfter) {
      Become(AgentState::kLost);
    }
    if (std::exchange(probe_again_, false) && !answered) return Probe();
    if (suspended_) return;
    timer_ = io_.RunAfter(NextProbe(), [self = shared_from_this()] { self->Probe(); });
  }

  absl::Duration NextProbe() const {
    if (state_ != AgentState::kReady) return periods_.waiting;
    return unanswered_ > 0 ? periods_.doubt : periods_.ready;
  }

  void Become(AgentState state) {
    if (state_ == state) return;
    state_ = state;
    changed_(state);
  }

  EventLoop& io_;
  const Log log_;
  const std::filesystem::path socket_;
  const std::shared_ptr<hypervisor::Machine> machine_;
  Changed changed_;
  const Periods periods_;
  UniqueFd listener_;
  AgentState state_ = AgentState::kWaiting;
  bool probing_ = false;
  bool probe_again_ = false;  // the guest called while a probe was under way
  bool closed_ = false;
  bool suspended_ = false;
  int unanswered_ = 0;
  EventLoop::TimerId timer_ = 0;
};

std::unique_ptr<AgentWatch> AgentWatch::Start(EventLoop& io, const Log& log,
                                              std::filesystem::path prefix,
                                              std::shared_ptr<hypervisor::Machine> machine,
                                              Changed changed, Periods periods) {
  prefix += fmt::format("_{}", kReadyPort);
  auto core = std::make_shared<Core>(io, log, std::move(prefix), std::move(machine),
                                     std::move(changed), periods);
  io.Post([core] { core->Start(); });
  return std::unique_ptr<AgentWatch>(new AgentWatch(std::move(core)));
}

AgentWatch::AgentWatch(std::shared_ptr<Core> core) : core_(std::move(core)) {}

void AgentWatch::Suspend() {
  core_->io().Post([core = core_] { core->Suspend(); });
}

void AgentWatch::Resume() {
  core_->io().Post([core = core_] { core->Resume(); });
}

AgentWatch::~AgentWatch() {
  EventLoop& io = core_->io();
  io.Post([core = std::move(core_)] { core->Close(); });
}

}  // namespace ember::daemon
