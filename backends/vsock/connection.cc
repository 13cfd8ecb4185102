#include "backends/vsock/connection.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "backends/vsock/handshake.h"

namespace ember::vsock {

Connection::Connection(ConnectionKey key, uint64_t guest_cid, UniqueFd socket)
    : key_(key),
      guest_cid_(guest_cid),
      socket_(std::move(socket)),
      state_(State::kWaiting),
      owes_request_(true) {}

Connection::Connection(ConnectionKey key, UniqueFd socket, const PacketHeader& request)
    : key_(key),
      guest_cid_(request.source_cid),
      socket_(std::move(socket)),
      state_(State::kOpen),
      owes_response_(true),
      guest_buffer_(request.buffer_size),
      guest_forwarded_(request.forwarded) {}

// ---- packets of the guest ----

void Connection::OnPacket(const PacketHeader& header, std::span<const iovec> payload) {
  guest_buffer_ = header.buffer_size;
  guest_forwarded_ = header.forwarded;
  if (Credit() > 0) owes_credit_request_ = false;
  switch (header.op()) {
    case Operation::kResponse:
      return OnResponse();
    case Operation::kReset:
      return OnGuestReset();
    case Operation::kShutdown:
      return OnShutdown(header.flags);
    case Operation::kReadWrite:
      return OnPayload(header, payload);
    case Operation::kCreditUpdate:
      return;
    case Operation::kCreditRequest:
      owes_credit_update_ = true;
      return;
    default:
      return Reset();
  }
}

void Connection::OnResponse() {
  if (state_ != State::kRequested) return Reset();
  state_ = State::kOpen;
  readable_ = true;  // a client may send without waiting for the answer
  const std::string line = FormatOkLine(key_.host_port);
  const ssize_t sent = send(socket_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(line.size())) HostDeaf();
}

void Connection::OnShutdown(uint32_t flags) {
  if ((flags & kShutdownReceive) != 0 && !guest_deaf_) {
    guest_deaf_ = true;
    // From here on the host program's writes fail instead of vanishing.
    shutdown(socket_.get(), SHUT_RD);
  }
  if ((flags & kShutdownSend) != 0) guest_ended_ = true;
  if (outgoing_.empty()) AfterFlush();
}

void Connection::OnPayload(const PacketHeader& header, std::span<const iovec> payload) {
  const bool expected = state_ == State::kOpen || state_ == State::kClosing;
  if (!expected || guest_ended_ || TotalBytes(payload) != header.length) return Reset();
  if (outgoing_.size() + header.length > kReceiveBuffer) return Reset();
  if (host_deaf_) return Forwarded(header.length);
  size_t sent = 0;
  if (outgoing_.empty()) {
    sent = SendNow(payload);
    if (state_ == State::kDone) return;
    if (host_deaf_) return Forwarded(header.length);
    Forwarded(sent);
  }
  if (sent < header.length) outgoing_.Append(payload, sent);
}

// What the socket takes at once, straight from guest memory.
size_t Connection::SendNow(std::span<const iovec> payload) {
  if (payload.empty()) return 0;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(payload.data());
  message.msg_iovlen = std::min<size_t>(payload.size(), IOV_MAX);
  const ssize_t sent = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EFAULT) {
    Reset();
  } else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
    HostDeaf();
  }
  return 0;
}

void Connection::OnGuestReset() {
  // A guest that waits in vain for the end of its close sends a RST; what it sent before still
  // belongs to the host program.
  if (outgoing_.empty() || host_deaf_) return Finish();
  state_ = State::kDraining;
}

// The host took so many bytes of the guest's. A guest that is told too late stalls: it counts
// against the smaller of the two buffers, its own included (kernels with the fix of
// CVE-2026-23086).
void Connection::Forwarded(uint64_t bytes) {
  forwarded_ += static_cast<uint32_t>(bytes);
  const uint32_t half = std::min(kReceiveBuffer, guest_buffer_) / 2;
  if (forwarded_ - forwarded_told_ >= std::max(half, 1U)) owes_credit_update_ = true;
}

void Connection::Reset() {
  owes_reset_ = true;
  Finish();
}

void Connection::Finish() {
  state_ = State::kDone;
  outgoing_.Clear();
}

void Connection::OnTimeout() {
  if (OutOfCredit()) {
    // Guests say by themselves when they have room again; this is for one whose word was lost.
    owes_credit_request_ = true;
  } else if (WaitsForGuest()) {
    Reset();
  }
}

bool Connection::OutOfCredit() const { return MayRead() && readable_ && Credit() == 0; }

bool Connection::WaitsForGuest() const {
  return state_ == State::kRequested || (state_ == State::kClosing && shutdown_sent_) ||
         OutOfCredit();
}

// ---- the host's socket ----

void Connection::OnSocket(uint32_t events) {
  if ((events & EPOLLOUT) != 0) Flush();
  if ((events & (EPOLLHUP | EPOLLERR)) != 0 && state_ != State::kDone) OnHangUp();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
}

void Connection::OnHangUp() {
  hung_up_ = true;
  HostDeaf();
  if (state_ == State::kDraining) return Finish();
  if (state_ == State::kWaiting || state_ == State::kRequested) {
    // A program that has written all it had and left is served; one that just left is not.
    char byte;
    if (recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
    return state_ == State::kWaiting ? Finish() : Reset();
  }
  if (host_ended_ || guest_deaf_) HostEnded();
}

void Connection::HostEnded() {
  host_ended_ = true;
  owes_shutdown_ |= kShutdownSend;
  if (hung_up_) {
    owes_shutdown_ |= kShutdownReceive;
    state_ = State::kClosing;
  }
}

// The host program takes nothing more: the guest learns it, what it sends meanwhile is dropped.
void Connection::HostDeaf() {
  if (host_deaf_) return;
  host_deaf_ = true;
  const uint64_t dropped = outgoing_.size();
  outgoing_.Clear();
  Forwarded(dropped);
  if (state_ == State::kOpen) owes_shutdown_ |= kShutdownReceive;
}

void Connection::Flush() {
  if (outgoing_.empty()) return;
  const ssize_t sent = outgoing_.SendTo(socket_.get());
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return;
    HostDeaf();
  } else {
    Forwarded(static_cast<uint64_t>(sent));
  }
  if (outgoing_.empty()) AfterFlush();
}

// All that the guest sent has been delivered: pass on what it said after that.
void Connection::AfterFlush() {
  if (state_ == State::kDraining) return Finish();
  if (!guest_ended_) return;
  if (guest_deaf_) return Reset();  // the answer to a shutdown of both ways
  shutdown(socket_.get(), SHUT_WR);
}

bool Connection::MayRead() const { return state_ == State::kOpen && !host_ended_ && !guest_deaf_; }

uint32_t Connection::WantedEvents() const {
  uint32_t events = 0;
  if (MayRead() && !readable_ && Credit() > 0) events |= EPOLLIN;
  if (!outgoing_.empty()) events |= EPOLLOUT;
  // A hang-up is reported whenever anything is watched; once known it would be reported for ever.
  if (events == 0 && !hung_up_ && state_ != State::kDone) events = EPOLLHUP;
  return events;
}

// ---- what is owed to the guest ----

bool Connection::HasControl() const {
  if (state_ == State::kDone || state_ == State::kDraining) return false;
  if (owes_request_ || owes_response_ || owes_credit_update_ || owes_credit_request_) return true;
  return ShutdownDue();
}

// Not while payload is about to be read: its end may add to the flags, and one packet is enough.
bool Connection::ShutdownDue() const {
  return (state_ == State::kOpen || state_ == State::kClosing) && !HasPayload() &&
         (owes_shutdown_ & ~told_shutdown_) != 0;
}

PacketHeader Connection::TakeControl() {
  if (owes_request_) {
    owes_request_ = false;
    state_ = State::kRequested;
    return Header(Operation::kRequest);
  }
  if (owes_response_) {
    owes_response_ = false;
    return Header(Operation::kResponse);
  }
  if (ShutdownDue()) {
    told_shutdown_ = owes_shutdown_;
    shutdown_sent_ = told_shutdown_ == kShutdownBoth;
    if (shutdown_sent_) state_ = State::kClosing;
    PacketHeader header = Header(Operation::kShutdown);
    header.flags = told_shutdown_;
    return header;
  }
  if (owes_credit_request_) {
    owes_credit_request_ = false;
    return Header(Operation::kCreditRequest);
  }
  return Header(Operation::kCreditUpdate);
}

PacketHeader Connection::Header(Operation operation) {
  PacketHeader header;
  header.source_cid = kHostCid;
  header.destination_cid = guest_cid_;
  header.source_port = key_.host_port;
  header.destination_port = key_.guest_port;
  header.operation = static_cast<uint16_t>(operation);
  header.buffer_size = kReceiveBuffer;
  header.forwarded = forwarded_;
  forwarded_told_ = forwarded_;
  owes_credit_update_ = false;  // every packet carries it
  return header;
}

uint64_t Connection::Credit() const {
  const uint32_t under_way = sent_ - guest_forwarded_;
  return under_way < guest_buffer_ ? guest_buffer_ - under_way : 0;
}

bool Connection::HasPayload() const { return MayRead() && readable_ && Credit() > 0; }

size_t Connection::ReadPayload(std::span<const iovec> pieces) {
  const size_t room = TotalBytes(pieces);
  const ssize_t count = readv(socket_.get(), pieces.data(), static_cast<int>(pieces.size()));
  if (count > 0) {
    sent_ += static_cast<uint32_t>(count);
    // The loop tells when there is more. Out of credit it isn't asked: the next try is ours.
    readable_ = Credit() == 0 && static_cast<size_t>(count) == room;
    return static_cast<size_t>(count);
  }
  readable_ = false;
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return 0;
    if (errno == EFAULT) {
      Reset();
      return 0;
    }
    hung_up_ = true;
    HostDeaf();
  }
  HostEnded();
  return 0;
}

PacketHeader Connection::PayloadHeader(uint32_t length) {
  PacketHeader header = Header(Operation::kReadWrite);
  header.length = length;
  return header;
}

}  // namespace ember::vsock
