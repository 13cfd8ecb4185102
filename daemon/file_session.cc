#include "daemon/file_session.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

using agent::v1::AgentFrame;

// A reachable agent has so long to answer Hello.
constexpr absl::Duration kGreetingLimit = absl::Seconds(30);
// The most that the protocol allows in one TreeData.
constexpr size_t kMaxPiece = size_t{256} << 10;

bool IsLast(const AgentFrame& frame) {
  return frame.has_tree_end() || (frame.has_file_list() && frame.file_list().last());
}

}  // namespace

FileSession::FileSession(EventLoop& io, ReachedVm vm, agent::v1::ClientFrame request,
                         std::shared_ptr<Client> client)
    : io_(io), vm_(std::move(vm)), request_(std::move(request)), client_(std::move(client)) {}

std::shared_ptr<FileSession> FileSession::Start(EventLoop& io, ReachedVm vm,
                                                agent::v1::ClientFrame request,
                                                absl::Duration connect_timeout,
                                                std::shared_ptr<Client> client) {
  // Whoever drops it last, it goes where it lives: its connection may be in the middle of a call.
  const auto drop = [&io](FileSession* last) {
    if (io.IsCurrent()) {
      delete last;
    } else {
      io.Post([owned = std::unique_ptr<FileSession>(last)] {});
    }
  };
  std::shared_ptr<FileSession> session(
      new FileSession(io, std::move(vm), std::move(request), std::move(client)), drop);
  io.Post([session, deadline = Deadline::After(connect_timeout)] { session->Dial(deadline); });
  return session;
}

void FileSession::Dial(Deadline deadline) {
  if (ended_) return;
  DialAgent(io_, vm_.machine, deadline,
            Reply<UniqueFd>([session = shared_from_this()](absl::StatusOr<UniqueFd> fd) {
              session->OnDialled(std::move(fd));
            }));
}

void FileSession::OnDialled(absl::StatusOr<UniqueFd> fd) {
  if (ended_) return;
  if (!fd.ok()) {
    return Finish(WithHint(fd.status(), fmt::format("look at 'ember vm console {}'", vm_.name)));
  }
  connection_.emplace(io_, *std::move(fd), *this);
  if (absl::Status opened = connection_->Open(); !opened.ok()) return Finish(opened);
  greeting_timer_ = io_.RunAfter(kGreetingLimit, [session = shared_from_this()] {
    session->Finish(DeadlineExceeded("the agent did not answer"));
  });
  connection_->Send(HelloFrame());
}

void FileSession::OnFrame(const AgentFrame& frame) {
  // The caller's reference may be the last one but ours.
  const std::shared_ptr<FileSession> alive = shared_from_this();
  switch (frame.kind_case()) {
    case AgentFrame::kHelloReply:
      return OnHello(frame.hello_reply());
    case AgentFrame::kFailure:
      return Finish(StatusOfFailure(frame.failure()));
    case AgentFrame::KIND_NOT_SET:
      return;  // what newer agents may add
    default:
      return OnAnswer(frame);
  }
}

void FileSession::OnHello(const agent::v1::HelloReply& reply) {
  if (asked_) return;
  io_.CancelTimer(std::exchange(greeting_timer_, 0));
  if (absl::Status able = CheckCapability(reply, "files", vm_.name); !able.ok()) {
    return Finish(std::move(able));
  }
  asked_ = true;
  connection_->Send(request_);
  if (writes()) client_->Room();
}

void FileSession::OnAnswer(const AgentFrame& frame) {
  if (absl::Status answer = CheckAnswer(frame); !answer.ok()) return Finish(std::move(answer));
  unacknowledged_ += frame.tree_data().payload().size();
  if (unacknowledged_ >= kWindow) connection_->SetReading(AgentConnection::Reading::kPaused);
  client_->Answer(frame);
  if (!ended_ && IsLast(frame)) Finish(absl::OkStatus());
}

absl::Status FileSession::CheckAnswer(const AgentFrame& frame) const {
  const bool reads = request_.has_read_tree();
  const bool belongs = (frame.has_tree_data() && reads) ||
                       (frame.has_tree_end() && (reads || (writes() && end_sent_))) ||
                       (frame.has_file_list() && request_.has_list_directory());
  if (!asked_ || !belongs) {
    return DataLoss("the agent sent a frame that does not belong to the request");
  }
  if (frame.tree_data().payload().size() > kMaxPiece) {
    return DataLoss("the agent sent a piece of {} bytes", frame.tree_data().payload().size());
  }
  return absl::OkStatus();
}

bool FileSession::HasRoom() const { return !ended_ && asked_ && connection_->queued() < kWindow; }

void FileSession::OnSent() {
  if (writes() && !end_sent_ && HasRoom()) client_->Room();
}

void FileSession::SendPiece(std::string piece) {
  if (ended_ || !asked_) return;
  *piece_.mutable_tree_data()->mutable_payload() = std::move(piece);
  connection_->Send(piece_);
}

void FileSession::SendEnd() {
  if (ended_ || !asked_) return;
  end_sent_ = true;
  agent::v1::ClientFrame frame;
  frame.mutable_tree_end();
  connection_->Send(frame);
}

void FileSession::Taken(size_t bytes) {
  if (ended_ || !connection_.has_value()) return;
  unacknowledged_ -= std::min(bytes, unacknowledged_);
  if (unacknowledged_ < kWindow) connection_->SetReading(AgentConnection::Reading::kOn);
}

void FileSession::OnClosed(absl::Status status) {
  const std::shared_ptr<FileSession> alive = shared_from_this();
  const std::string why = status.ok() ? "the connection was closed" : std::string(Message(status));
  if (!asked_) {
    return Finish(
        WithReason(Unavailable("the agent can't be reached: {}", why), "AGENT_UNREACHABLE"));
  }
  if (absl::IsDataLoss(status)) return Finish(std::move(status));
  Finish(WithReason(Unavailable("it went away meanwhile ({})", why), "VM_WENT_AWAY"));
}

void FileSession::Cancel() {
  const std::shared_ptr<FileSession> alive = shared_from_this();
  Finish(Cancelled("the call was cancelled"));
}

void FileSession::Finish(absl::Status status) {
  if (ended_) return;
  ended_ = true;
  io_.CancelTimer(greeting_timer_);
  if (connection_.has_value()) connection_->Close();
  const bool names_vm = ReasonOf(status) == "AGENT_TOO_OLD";
  std::exchange(client_, nullptr)
      ->Ended(names_vm ? status : Annotate(status, fmt::format("vm '{}'", vm_.name)));
}

}  // namespace ember::daemon
