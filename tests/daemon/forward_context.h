#pragma once

#include <sys/socket.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/inet_socket.h"
#include "base/socket.h"
#include "tests/daemon/host_context.h"
#include "tests/support/catch.h"

namespace ember::daemon {

inline state::ForwardSide Tcp(uint16_t port, std::string ip = "") {
  return {.kind = state::SocketKind::kTcp, .ip = std::move(ip), .port = port};
}
inline state::ForwardSide Udp(uint16_t port) {
  return {.kind = state::SocketKind::kUdp, .port = port};
}
inline state::ForwardSide Unix(const std::filesystem::path& path) {
  return {.kind = state::SocketKind::kUnix, .path = path.native()};
}

// A stream socket that a test uses step by step. Calls block, for 30 s at most.
class Peer {
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {}

  static Peer Connect(const state::ForwardSide& side) {
    if (side.kind == state::SocketKind::kUnix) {
      return Peer(testing::ValueOf(ConnectUnix(side.path)));
    }
    UniqueFd fd = testing::ValueOf(BeginConnectTcp(side.ip, side.port));
    REQUIRE_OK(HostContext::Soon().WaitWritable(fd.get(), "connect"));
    REQUIRE_OK(ConnectOutcome(fd.get()));
    return Peer(std::move(fd));
  }

  void Write(std::string_view bytes) {
    REQUIRE_OK(WriteFully(fd_.get(), bytes, HostContext::Soon()));
  }
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    REQUIRE_OK(ReadFully(fd_.get(), bytes.data(), size, HostContext::Soon()));
    return bytes;
  }
  void EndWriting() { shutdown(fd_.get(), SHUT_WR); }
  // Whether the other side has ended, or the connection is gone.
  bool AtEnd() {
    char byte;
    REQUIRE_OK(HostContext::Soon().WaitReadable(fd_.get(), "end"));
    return recv(fd_.get(), &byte, 1, 0) <= 0;
  }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

// A listening socket of the test: of the guest or of the host, which share the loopback.
class Listener {
 public:
  // A TCP port that is free.
  Listener() : fd_(testing::ValueOf(ListenTcp("127.0.0.1", 0))) {}
  explicit Listener(const std::filesystem::path& path)
      : fd_(testing::ValueOf(ListenUnix(path, 0600))) {}

  uint16_t port() const { return testing::ValueOf(LocalPortOf(fd_.get())); }
  Peer Accept() {
    REQUIRE_OK(HostContext::Soon().WaitReadable(fd_.get(), "connection"));
    return Peer(testing::ValueOf(AcceptUnix(fd_.get())));
  }

 private:
  UniqueFd fd_;
};

// A TCP port that nobody listens at.
inline uint16_t FreePort() { return Listener().port(); }

// A host with a VM "web" that runs, and its forwards.
class ForwardContext : public HostContext {
 public:
  ForwardContext() { REQUIRE_OK(Create("web")); }

  absl::StatusOr<ForwardView> Add(state::ForwardSide host_side, state::ForwardSide guest,
                                  std::string vm = "web") {
    return AddForward(std::move(vm), {.host = std::move(host_side), .guest = std::move(guest)});
  }
  absl::StatusOr<ForwardView> AddReverse(state::ForwardSide guest, state::ForwardSide host_side) {
    return AddForward("web",
                      {.host = std::move(host_side), .guest = std::move(guest), .reverse = true});
  }
  absl::StatusOr<ForwardView> AddForward(std::string vm, state::Forward forward) {
    Awaited<ForwardView> answer;
    host().AddForward(std::move(vm), std::move(forward), answer.reply());
    return Answer(answer);
  }
  absl::Status Remove(const std::string& id) {
    Awaited<Done> answer;
    host().RemoveForward(id, answer.reply());
    return Answer(answer).status();
  }
  std::vector<ForwardView> Forwards(std::string vm = "") {
    Awaited<std::vector<ForwardView>> answer;
    host().ListForwards(std::move(vm), answer.reply());
    return testing::ValueOf(Answer(answer));
  }
  // Waits until the only forward is as `holds` wants it.
  bool Becomes(const std::function<bool(const ForwardView&)>& holds) {
    const Cancellation limit = Soon();
    while (!holds(Forwards().at(0))) {
      if (!limit.Pause(absl::Milliseconds(2), "forward").ok() || limit.done()) return false;
    }
    return true;
  }
  bool BecomesServed() {
    return Becomes([](const ForwardView& view) { return view.reason.empty(); });
  }
  std::filesystem::path SocketPath(std::string_view name) const { return state_dir() / name; }
};

}  // namespace ember::daemon
