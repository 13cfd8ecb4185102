// The fake agent's streams, listening sockets, datagrams and care.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "base/inet_socket.h"
#include "base/socket.h"
#include "base/status.h"
#include "tests/support/fake_agent.h"

namespace ember::testing {
namespace {

constexpr absl::Duration kPortCheck = absl::Milliseconds(5);

StreamAddress AddressOf(const agent::v1::Address& address) {
  return {.unix_path = address.unix_path(), .port = static_cast<uint16_t>(address.tcp_port())};
}

}  // namespace

void FakeAgent::OnConnectStream(const agent::v1::Address& address) {
  if (mode_ == AgentMode::kOlder) return Fail(agent::v1::Failure::BAD_REQUEST, "no request");
  loop_.Rearm(fd_.get(), 0);
  dial_ = std::make_unique<StreamDial>(
      loop_, AddressOf(address), absl::Seconds(10), [this](absl::StatusOr<UniqueFd> socket) {
        const auto alive = self_;
        dial_.reset();
        if (socket.ok()) return JoinTo(*std::move(socket));
        Fail(agent::v1::Failure::REFUSED, std::string(Message(socket.status())));
      });
}

void FakeAgent::JoinTo(UniqueFd socket) {
  agent::v1::AgentFrame open;
  open.mutable_stream_open();
  Send(open);
  if (!fd_.valid()) return;
  EMBER_CHECK(out_.empty());
  loop_.Forget(fd_.get());
  joined_ = true;
  pump_ = BytePump::Start(
      loop_,
      {.left = std::move(fd_), .right = std::move(socket), .left_to_right = reader_.TakeRest()},
      [self = self_] { self->self_.reset(); });
}

void FakeAgent::OnListen(const agent::v1::Address& address) {
  auto socket = address.has_unix_path()
                    ? ListenUnix(address.unix_path(), 0600)
                    : ListenTcp("127.0.0.1", static_cast<uint16_t>(address.tcp_port()));
  if (!socket.ok()) {
    return Fail(agent::v1::Failure::EXISTS, std::string(Message(socket.status())));
  }
  listener_path_ = address.unix_path();
  agent::v1::AgentFrame frame;
  frame.mutable_listening()->set_tcp_port(address.tcp_port());
  Send(frame);
  for (int i = 0; i < guest_->false_incoming && fd_.valid(); ++i) {
    frame.mutable_incoming()->set_token(uint64_t{1} << 60 | static_cast<uint64_t>(i));
    Send(frame);
  }
  auto listener = StreamListener::Start(loop_, *std::move(socket), [this](UniqueFd connection) {
    agent::v1::AgentFrame incoming;
    incoming.mutable_incoming()->set_token(guest_->next_token);
    guest_->arrivals[guest_->next_token++] = std::move(connection);
    Send(incoming);
  });
  EMBER_CHECK(listener.ok());
  listener_ = *std::move(listener);
  ++guest_->listens;
}

void FakeAgent::OnAcceptStream(uint64_t token) {
  auto arrival = guest_->arrivals.extract(token);
  if (arrival.empty()) return Fail(agent::v1::Failure::NOT_FOUND, "no such token");
  JoinTo(std::move(arrival.mapped()));
}

void FakeAgent::OnOpenDatagrams(uint16_t port) {
  auto socket = ConnectUdp("127.0.0.1", port);
  EMBER_CHECK(socket.ok());
  datagrams_ = *std::move(socket);
  EMBER_CHECK(
      loop_
          .Watch(datagrams_.get(), EPOLLIN,
                 [this](uint32_t) {
                   std::array<char, 65536> buffer;
                   const ssize_t got = recv(datagrams_.get(), buffer.data(), buffer.size(), 0);
                   if (got < 0) return;
                   agent::v1::AgentFrame frame;
                   frame.mutable_datagram()->set_payload(buffer.data(), static_cast<size_t>(got));
                   Send(frame);
                 })
          .ok());
  agent::v1::AgentFrame frame;
  frame.mutable_datagrams_open();
  Send(frame);
}

void FakeAgent::Reply(const agent::v1::AgentFrame& frame) {
  close_when_sent_ = true;
  Send(frame);
}

// Looks again and again, as emberd does.
void FakeAgent::OnWaitPort(uint16_t port) {
  if (!std::exchange(waits_for_port_, true)) ++guest_->port_waits;
  dial_ = std::make_unique<StreamDial>(loop_, StreamAddress{.port = port}, absl::Seconds(10),
                                       [this, port](const absl::StatusOr<UniqueFd>& socket) {
                                         const auto alive = self_;
                                         dial_.reset();
                                         if (!socket.ok()) {
                                           again_ = loop_.RunAfter(
                                               kPortCheck, [this, port] { OnWaitPort(port); });
                                           return;
                                         }
                                         agent::v1::AgentFrame frame;
                                         frame.mutable_done();
                                         Reply(frame);
                                       });
}

void FakeAgent::OnGetStats() {
  agent::v1::AgentFrame frame;
  agent::v1::Stats& stats = *frame.mutable_stats();
  stats.set_uptime_ms(12'345);
  stats.set_cpu_busy_ms(1000);
  stats.set_cpu_total_ms(4000);
  stats.set_vcpus(2);
  Reply(frame);
}

void FakeAgent::OnSetClock(const agent::v1::SetClock& set) {
  guest_->entropy_bytes = set.entropy().size();
  guest_->clock_ns = set.unix_ns();
  agent::v1::AgentFrame frame;
  frame.mutable_done();
  Reply(frame);
}

void FakeAgent::CloseStreams() {
  if (std::exchange(waits_for_port_, false)) --guest_->port_waits;
  if (std::exchange(freezes_, false)) guest_->frozen = false;
  loop_.CancelTimer(std::exchange(again_, 0));
  dial_.reset();
  listener_.reset();
  if (!listener_path_.empty()) unlink(std::exchange(listener_path_, {}).c_str());
  if (datagrams_.valid()) loop_.Forget(datagrams_.get());
  datagrams_.Reset();
  if (!std::exchange(joined_, false)) return;
  if (const auto pump = pump_.lock(); pump != nullptr) pump->Abort();
}

}  // namespace ember::testing
