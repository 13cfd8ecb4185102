#include "guest-agent/peer_stream.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ember::agent {
namespace {

constexpr size_t kReadSize = size_t{64} << 10;
constexpr size_t kKeptCapacity = size_t{1} << 20;
constexpr absl::Duration kLinger = absl::Seconds(2);

}  // namespace

PeerStream::PeerStream(EventLoop& loop, UniqueFd socket, Events events)
    : loop_(loop), socket_(std::move(socket)), events_(std::move(events)) {}

PeerStream::~PeerStream() {
  loop_.CancelTimer(linger_timer_);
  loop_.Forget(socket_.get());
}

absl::Status PeerStream::Start() {
  return loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t events) { OnReady(events); });
}

void PeerStream::OnReady(uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    const size_t before = pending();
    Flush();
    if (phase_ != Phase::kOver && pending() < before && events_.sent) events_.sent();
  }
  if (phase_ == Phase::kOver) return;
  const bool paused = phase_ == Phase::kOpen && reading_ == Reading::kOff;
  if (paused && (events & (EPOLLHUP | EPOLLERR)) != 0) return End();
  if (paused && (events & EPOLLRDHUP) != 0) {
    // Half closed: its request is still answered. Closed on AF_VSOCK looks the same to poll(2).
    if (PeerCannotRead()) return End();
    half_closed_ = true;
    return Rearm();
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !paused) Receive();
}

void PeerStream::Receive() {
  std::array<char, kReadSize> buffer;
  const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return End();
  if (got == 0) return OnEndOfInput();
  if (phase_ == Phase::kOpen) events_.received({buffer.data(), static_cast<size_t>(got)});
}

void PeerStream::OnEndOfInput() {
  if (phase_ == Phase::kLingering || PeerCannotRead()) return End();
  input_ended_ = true;
  Rearm();
  if (phase_ == Phase::kOpen) events_.input_ended();
}

bool PeerStream::PeerCannotRead() const {
  return send(socket_.get(), "", 0, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR;
}

void PeerStream::Flush() {
  while (phase_ != Phase::kOver && pending() > 0) {
    const ssize_t sent = send(socket_.get(), queue_.data() + sent_, pending(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return End();
    sent_ += static_cast<size_t>(sent);
  }
  if (phase_ == Phase::kOver) return;
  if (pending() == 0) {
    queue_.clear();
    sent_ = 0;
    if (queue_.capacity() > kKeptCapacity) queue_.shrink_to_fit();
    if (phase_ == Phase::kFinishing) return StartLingering();
  } else if (sent_ > queue_.size() / 2) {
    queue_.erase(0, sent_);
    sent_ = 0;
  }
  Rearm();
}

void PeerStream::SetReading(Reading reading) {
  reading_ = reading;
  if (phase_ == Phase::kOpen) Rearm();
}

void PeerStream::Rearm() {
  if (phase_ == Phase::kOver) return;
  uint32_t events = 0;
  if (pending() > 0) events |= EPOLLOUT;
  if (phase_ == Phase::kOpen && reading_ == Reading::kOff) {
    if (!half_closed_) events |= EPOLLRDHUP;
  } else if (!input_ended_) {
    events |= EPOLLIN;
  }
  // Never ready on our sockets; with it hang-ups and errors are reported.
  if (events == 0) events = EPOLLPRI;
  loop_.Rearm(socket_.get(), events);
}

void PeerStream::Finish() {
  if (phase_ != Phase::kOpen) return;
  phase_ = Phase::kFinishing;
  Flush();
}

UniqueFd PeerStream::Release() {
  phase_ = Phase::kOver;
  loop_.CancelTimer(std::exchange(linger_timer_, 0));
  loop_.Forget(socket_.get());
  return std::move(socket_);
}

std::string PeerStream::TakePending() {
  std::string rest = std::move(queue_);
  rest.erase(0, std::exchange(sent_, 0));
  queue_.clear();
  return rest;
}

void PeerStream::StartLingering() {
  phase_ = Phase::kLingering;
  if (input_ended_ || shutdown(socket_.get(), SHUT_WR) != 0) return End();
  linger_timer_ = loop_.RunAfter(kLinger, [this] {
    linger_timer_ = 0;
    End();
  });
  Rearm();
}

void PeerStream::End() {
  if (phase_ == Phase::kOver) return;
  phase_ = Phase::kOver;
  loop_.CancelTimer(std::exchange(linger_timer_, 0));
  loop_.Forget(socket_.get());
  socket_.Reset();
  events_.gone();
}

}  // namespace ember::agent
