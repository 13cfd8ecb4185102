#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/cancellation.h"
#include "base/inet_socket.h"
#include "tests/support/status_matchers.h"

namespace ember::testing {

// Stands before a server on the loopback interface and passes everything on, until it is told to
// misbehave.
class FaultyFront {
 public:
  enum class Fault {
    kNone,
    kStall,   // the answer stops after `after` bytes and the connection stays
    kCut,     // the connection is closed after `after` bytes
    kRefuse,  // every request is answered with 429
  };

  explicit FaultyFront(uint16_t server) : server_(server) {
    listener_ = ValueOf(ListenTcp("127.0.0.1", 0));
    port_ = ValueOf(LocalPortOf(listener_.get()));
    acceptor_ = std::jthread([this](std::stop_token stop) { Accept(stop); });
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Of connections from now on, at most `times` of them (those of fewer bytes do not count).
  void Break(Fault fault, uint64_t after = 0, int times = 1'000'000) {
    after_ = after;
    times_ = times;
    fault_ = fault;
  }
  uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  void Accept(std::stop_token stop) {
    std::vector<std::jthread> connections;
    while (!stop.stop_requested()) {
      pollfd fd{listener_.get(), POLLIN, 0};
      if (poll(&fd, 1, 50) <= 0) continue;
      const int client = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      connections.emplace_back(
          [this, client = UniqueFd(client)](std::stop_token own) mutable { Serve(client, own); });
    }
  }

  void Serve(UniqueFd& client, std::stop_token stop) {
    auto server = BeginConnectTcp("127.0.0.1", server_);
    if (!server.ok()) return;
    const Cancellation limit{stop, Deadline::After(absl::Minutes(2))};
    if (!limit.WaitWritable(server->get(), "front").ok()) return;
    uint64_t sent = 0;
    while (!limit.done()) {
      pollfd fds[2] = {{client.get(), POLLIN, 0}, {server->get(), POLLIN, 0}};
      if (poll(fds, 2, 50) <= 0) continue;
      if (fds[0].revents != 0) {
        if (fault_ == Fault::kRefuse) {
          Refuse(client.get());
          return;
        }
        if (!Pump(client.get(), server->get(), limit).has_value()) return;
      }
      if (fds[1].revents == 0) continue;
      const auto got = Pump(server->get(), client.get(), limit);
      if (!got.has_value()) return;
      sent += *got;
      bytes_sent_ += *got;
      if (sent > after_ && IsBroken() && times_.fetch_sub(1) > 0) {
        // Stalls: the connection stays until the other end closes it.
        if (fault_ == Fault::kStall) Hold(client.get(), limit);
        return;
      }
    }
  }

  bool IsBroken() const { return fault_ == Fault::kStall || fault_ == Fault::kCut; }

  static void Hold(int client, const Cancellation& limit) {
    char byte = 0;
    while (limit.WaitReadable(client, "front").ok() && recv(client, &byte, 1, 0) > 0) {
    }
  }

  static void Refuse(int client) {
    char request[8192];
    recv(client, request, sizeof(request), MSG_DONTWAIT);
    constexpr std::string_view kAnswer =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    send(client, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
  }

  // Nothing when either end is closed.
  static std::optional<size_t> Pump(int from, int to, const Cancellation& limit) {
    char buffer[16384];
    const ssize_t got = recv(from, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return std::nullopt;
    for (ssize_t at = 0; at < got;) {
      if (!limit.WaitWritable(to, "front").ok()) return std::nullopt;
      const ssize_t sent = send(to, buffer + at, static_cast<size_t>(got - at), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
      if (sent > 0) at += sent;
    }
    return static_cast<size_t>(got);
  }

  const uint16_t server_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<uint64_t> after_{0};
  std::atomic<int> times_{0};
  std::atomic<uint64_t> bytes_sent_{0};
  std::jthread acceptor_;
};

}  // namespace ember::testing
