#pragma once

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "base/socket.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::testing {

// A Unix socket server on a thread that plays the other side of a conversation with one client
// after another.
class StreamServer {
 public:
  using Play = std::function<void(int fd)>;

  explicit StreamServer(Play play)
      : listener_(ValueOf(ListenUnix(path(), 0600))), play_(std::move(play)) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~StreamServer() {
    stop_ = true;
    // Wakes the thread: a listening socket that is shut down is readable for ever.
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::filesystem::path path() const { return dir_ / "s"; }

  // Reads up to the end of a line; empty when the client is gone.
  static std::string ReadLine(int fd) {
    std::string line;
    char byte = 0;
    while (byte != '\n') {
      if (!ReadFully(fd, &byte, 1, Patience()).ok()) return {};
      line.push_back(byte);
    }
    return line;
  }
  static void Say(int fd, std::string_view text) { WriteFully(fd, text, Patience()).IgnoreError(); }
  // Waits until the client hangs up or says more.
  static void Linger(int fd) { Patience().WaitReadable(fd, "linger").IgnoreError(); }

 private:
  static Cancellation Patience() { return Cancellation::After(absl::Seconds(20)); }

  void Serve() {
    while (Cancellation().WaitReadable(listener_.get(), "accept").ok() && !stop_) {
      auto client = AcceptUnix(listener_.get());
      if (!client.ok()) return;
      if (client->valid()) play_(client->get());
    }
  }

  TempDir dir_;
  UniqueFd listener_;
  Play play_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ember::testing
