#include "daemon/agent_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"

namespace ember::daemon {
namespace {

constexpr uint32_t kProtocolMajor = 1;
constexpr uint32_t kProtocolMinor = 0;
// Bytes read in one turn; a busy connection comes back after the others had theirs.
constexpr size_t kReadChunk = 256 << 10;

constexpr size_t kDropSent = 64 << 10;

}  // namespace

agent::v1::ClientFrame HelloFrame() {
  agent::v1::ClientFrame frame;
  frame.mutable_hello()->mutable_version()->set_major(kProtocolMajor);
  frame.mutable_hello()->mutable_version()->set_minor(kProtocolMinor);
  frame.mutable_hello()->set_client("emberhostd " EMBER_VERSION);
  return frame;
}

AgentConnection::AgentConnection(EventLoop& io, UniqueFd fd, Handler& handler)
    : io_(io), fd_(std::move(fd)), handler_(handler) {}

AgentConnection::~AgentConnection() {
  Close();
  if (destroyed_ != nullptr) *destroyed_ = true;
}

absl::Status AgentConnection::Open() {
  return io_.Watch(fd_.get(), EPOLLIN, [this](uint32_t events) { OnReady(events); });
}

void AgentConnection::Send(const agent::v1::ClientFrame& frame) {
  if (!fd_.valid()) return;
  // What was sent is dropped in large steps, also while there is always something left.
  if (out_start_ == out_.size() || out_start_ >= kDropSent) {
    out_.erase(0, out_start_);
    out_start_ = 0;
  }
  AppendFrame(frame.SerializeAsString(), out_);
  Flush();
  Rearm();
}

void AgentConnection::SetReading(Reading reading) {
  reading_ = reading;
  if (!fd_.valid()) return;
  Rearm();
  // Frames that were read before the pause wait in the reader: deliver them outside the caller's
  // stack.
  if (reading == Reading::kOn && reader_.buffered() > 0) {
    io_.Rearm(fd_.get(), EPOLLIN | EPOLLOUT);
  }
}

RawConnection AgentConnection::Release() {
  io_.Forget(fd_.get());
  return {.fd = std::move(fd_), .received = reader_.TakeRest()};
}

void AgentConnection::Close() {
  if (!fd_.valid()) return;
  io_.Forget(fd_.get());
  fd_.Reset();
}

void AgentConnection::OnReady(uint32_t events) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  if ((events & EPOLLOUT) != 0) {
    const size_t before = queued();
    Flush();
    if (queued() < before) handler_.OnSent();
    if (destroyed) return;
  }
  bool alive = DeliverFrames();
  if (alive && reading_ == Reading::kOn && (events & ~uint32_t{EPOLLOUT}) != 0) {
    ReadSome();
    alive = !destroyed && DeliverFrames();
  }
  if (destroyed) return;
  destroyed_ = nullptr;
  if (!alive || !fd_.valid()) return;
  if (ended_ && reading_ == Reading::kOn) {
    Fail(reader_.buffered() == 0 ? absl::OkStatus()
                                 : Unavailable("the agent closed within a frame"));
    return;
  }
  Rearm();
}

void AgentConnection::ReadSome() {
  // Scratch of the io thread: nothing stays in it between two calls.
  static thread_local std::array<char, kReadChunk> buffer;
  const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) {
    reader_.Append({buffer.data(), static_cast<size_t>(got)});
  } else if (got == 0) {
    ended_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    Fail(ErrnoStatus(errno, "connection to the agent"));
  }
}

// Hands on whole frames until there is none, reading is paused or the connection is gone; true
// while it is usable.
bool AgentConnection::DeliverFrames() {
  bool* const destroyed = destroyed_;
  while (fd_.valid() && reading_ == Reading::kOn) {
    auto next = reader_.Next();
    if (!next.ok()) {
      Fail(next.status());
      return false;
    }
    if (!next->has_value()) return true;
    if (!frame_.ParseFromArray((*next)->data(), static_cast<int>((*next)->size()))) {
      Fail(DataLoss("the agent sent a frame that can't be read"));
      return false;
    }
    handler_.OnFrame(frame_);
    if (*destroyed) return false;
  }
  return fd_.valid();
}

void AgentConnection::Flush() {
  while (out_start_ < out_.size()) {
    const ssize_t sent =
        send(fd_.get(), out_.data() + out_start_, out_.size() - out_start_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      // Nothing can be sent any more. The end is reported by reading, after what the agent still
      // had to say.
      out_.clear();
      out_start_ = 0;
    } else {
      out_start_ += static_cast<size_t>(sent);
    }
  }
}

void AgentConnection::Rearm() {
  uint32_t events = 0;
  if (reading_ == Reading::kOn) events |= EPOLLIN;
  if (out_start_ < out_.size()) events |= EPOLLOUT;
  io_.Rearm(fd_.get(), events);
}

void AgentConnection::Fail(absl::Status status) {
  Close();
  handler_.OnClosed(std::move(status));
}

}  // namespace ember::daemon
