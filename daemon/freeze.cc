#include "daemon/freeze.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/status.h"
#include "daemon/agent_call.h"
#include "daemon/agent_connection.h"

namespace ember::daemon {
namespace {

// So long a guest may write back what waits to be written, before it stands still.
constexpr absl::Duration kSyncLimit = absl::Seconds(30);
// So much later than its limit an agent that lives has told of it.
constexpr absl::Duration kThawGrace = absl::Seconds(5);

// The session with the agent. Its timer, the dial or the handle keeps it. Lives on `io`.
class FreezeSession : public AgentConnection::Handler,
                      public std::enable_shared_from_this<FreezeSession> {
 public:
  FreezeSession(EventLoop& io, ReachedVm vm, absl::Duration limit,
                Reply<std::unique_ptr<FrozenVm>> reply)
      : io_(io), vm_(std::move(vm)), limit_(limit), frozen_reply_(std::move(reply)) {}

  void Begin() {
    LimitTo(kReachLimit + kSyncLimit);
    DialAgent(io_, vm_.machine, Deadline::After(kReachLimit),
              Reply<UniqueFd>([session = shared_from_this()](absl::StatusOr<UniqueFd> fd) {
                session->OnDialled(std::move(fd));
              }));
  }

  void Thaw(Reply<absl::Duration> reply) {
    thaw_reply_ = std::move(reply);
    if (end_.has_value()) return AnswerThaw();
    agent::v1::ClientFrame frame;
    frame.mutable_thaw();
    connection_->Send(frame);
  }

  // Nobody waits for anything any more: the agent thaws when it sees the connection close.
  void Drop() { End(Cancelled("the freeze was given up")); }

 private:
  void LimitTo(absl::Duration span) {
    io_.CancelTimer(timer_);
    timer_ = io_.RunAfter(span, [session = shared_from_this()] {
      session->End(DeadlineExceeded("the agent did not answer"));
    });
  }

  void OnDialled(absl::StatusOr<UniqueFd> fd) {
    if (end_.has_value()) return;
    if (!fd.ok()) return End(fd.status());
    connection_.emplace(io_, *std::move(fd), *this);
    if (absl::Status opened = connection_->Open(); !opened.ok()) return End(opened);
    connection_->Send(HelloFrame());
  }

  void OnFrame(const agent::v1::AgentFrame& frame) override {
    const std::shared_ptr<FreezeSession> alive = shared_from_this();
    if (frame.has_hello_reply() && !asked_) return OnHello(frame.hello_reply());
    if (frame.has_frozen() && asked_ && !frozen()) return OnFrozen();
    if (frame.has_failure()) return OnFailure(frame.failure());
    if (frame.has_done() && thaw_reply_.pending()) return End(absl::OkStatus());
    End(DataLoss("the agent answers something else than asked"));
  }

  void OnHello(const agent::v1::HelloReply& reply) {
    const absl::Status able = CheckCapability(reply, "storage", vm_.name);
    if (!able.ok()) return End(able);
    asked_ = true;
    agent::v1::ClientFrame frame;
    frame.mutable_freeze_filesystems()->set_limit_ms(
        static_cast<uint32_t>(absl::ToInt64Milliseconds(limit_)));
    connection_->Send(frame);
  }

  void OnFrozen();

  // The agent ends a freeze by itself only when its time is over.
  void OnFailure(const agent::v1::Failure& failure) {
    if (!frozen()) return End(StatusOfFailure(failure));
    End(WithReason(
        DeadlineExceeded("its file systems stood still for {} and were not done with: {}",
                         absl::FormatDuration(limit_), failure.message()),
        "FREEZE_LIMIT"));
  }

  void OnClosed(absl::Status status) override {
    const std::shared_ptr<FreezeSession> alive = shared_from_this();
    if (absl::IsDataLoss(status)) return End(std::move(status));
    End(WithReason(Unavailable("it went away meanwhile ({})",
                               status.ok() ? "the agent closed the connection" : Message(status)),
                   "VM_WENT_AWAY"));
  }

  void End(absl::Status status) {
    if (end_.has_value()) return;
    const std::shared_ptr<FreezeSession> alive = shared_from_this();
    frozen_for_ = absl::Now() - frozen_at_;
    // An agent that is too old is named with its VM already.
    const bool names_vm = ReasonOf(status) == "AGENT_TOO_OLD";
    end_ = names_vm ? status : Annotate(status, fmt::format("vm '{}'", vm_.name));
    io_.CancelTimer(timer_);
    if (connection_.has_value()) connection_->Close();
    if (frozen_reply_.pending()) frozen_reply_(*end_);
    if (thaw_reply_.pending()) AnswerThaw();
  }

  void AnswerThaw() {
    if (!end_->ok()) return thaw_reply_(*end_);
    thaw_reply_(frozen_for_);
  }

  bool frozen() const { return !frozen_reply_.pending(); }

  EventLoop& io_;
  const ReachedVm vm_;
  const absl::Duration limit_;
  Reply<std::unique_ptr<FrozenVm>> frozen_reply_;  // pending until it is frozen, or never will be
  Reply<absl::Duration> thaw_reply_;
  std::optional<AgentConnection> connection_;
  std::optional<absl::Status> end_;
  absl::Time frozen_at_;
  absl::Duration frozen_for_;
  EventLoop::TimerId timer_ = 0;
  bool asked_ = false;
};

// The caller's hold.
class Handle final : public FrozenVm {
 public:
  Handle(EventLoop& io, std::shared_ptr<FreezeSession> session)
      : io_(io), session_(std::move(session)) {}
  ~Handle() override {
    io_.Post([session = std::move(session_)] { session->Drop(); });
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Thaw(Reply<absl::Duration> reply) override {
    io_.Post([session = session_, reply = std::move(reply)]() mutable {
      session->Thaw(std::move(reply));
    });
  }

 private:
  EventLoop& io_;
  std::shared_ptr<FreezeSession> session_;
};

void FreezeSession::OnFrozen() {
  frozen_at_ = absl::Now();
  LimitTo(limit_ + kThawGrace);
  frozen_reply_(std::make_unique<Handle>(io_, shared_from_this()));
}

}  // namespace

void FreezeVm(EventLoop& io, ReachedVm vm, absl::Duration limit,
              Reply<std::unique_ptr<FrozenVm>> reply) {
  limit = std::clamp(limit, absl::Milliseconds(1), kMostFrozen);
  auto session = std::make_shared<FreezeSession>(io, std::move(vm), limit, std::move(reply));
  io.Post([session = std::move(session)] { session->Begin(); });
}

}  // namespace ember::daemon
