#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"

namespace ember::testing {

// A web server on loopback that says, byte for byte, what a test wants it to say. One connection
// at a time, one request each. Ends with this object.
class WebServer {
 public:
  struct Answer {
    std::string bytes;
    enum class Then { kClose, kStandStill } then = Then::kClose;
  };
  // Called on the server's thread with the head of a request.
  using Script = std::function<Answer(const std::string& request)>;

  explicit WebServer(Script script)
      : script_(std::move(script)),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stop_(eventfd(0, EFD_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EMBER_CHECK(bind(listener_.get(), any, size) == 0 && listen(listener_.get(), 8) == 0);
    EMBER_CHECK(getsockname(listener_.get(), any, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  ~WebServer() {
    EMBER_CHECK(eventfd_write(stop_.get(), 1) == 0);
    thread_.join();
  }

  std::string Url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  static std::string Ok(const std::string& body, const std::string& more_headers = "") {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(),
                       more_headers, body);
  }
  static std::string Status(int code, const std::string& more_headers = "") {
    return fmt::format("HTTP/1.1 {} Word\r\nContent-Length: 0\r\n{}\r\n", code, more_headers);
  }

 private:
  // False when the server is to end.
  bool AwaitReadable(int fd) {
    pollfd fds[] = {{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    EMBER_CHECK(poll(fds, 2, -1) > 0);
    return fds[1].revents == 0;
  }

  void Serve() {
    while (AwaitReadable(listener_.get())) {
      const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.valid()) Talk(client.get());
    }
  }

  void Talk(int client) {
    std::string request;
    while (request.find("\r\n\r\n") == request.npos) {
      char piece[4096];
      if (!AwaitReadable(client)) return;
      const ssize_t got = read(client, piece, sizeof(piece));
      if (got <= 0) return;
      request.append(piece, static_cast<size_t>(got));
    }
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    const Answer answer = script_(request);
    for (size_t sent = 0; sent < answer.bytes.size();) {
      const ssize_t now =
          send(client, answer.bytes.data() + sent, answer.bytes.size() - sent, MSG_NOSIGNAL);
      if (now < 0) return;
      sent += static_cast<size_t>(now);
    }
    // Until the client gives up.
    if (answer.then == Answer::Then::kStandStill) AwaitReadable(client);
  }

  const Script script_;
  const UniqueFd listener_;
  const UniqueFd stop_;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace ember::testing
