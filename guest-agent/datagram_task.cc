#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/inet_socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/session_task.h"
#include "guest-agent/stream_address.h"

namespace ember::agent {
namespace {

// The most that fits into a datagram of UDP over IPv4.
constexpr size_t kMostPayload = 65507;
// Datagrams that may wait for the client, in bytes; what comes then is lost, as UDP does it.
constexpr size_t kMostPending = size_t{1} << 20;
// Datagrams taken before others on the loop have their turn.
constexpr int kTurn = 16;

// Datagrams to and from one UDP port of the guest. They may get lost, and never wait.
class DatagramTask : public SessionTask {
 public:
  DatagramTask(const Context& context, ClientLink& link) : context_(context), link_(link) {}
  ~DatagramTask() override { context_.loop.Forget(socket_.get()); }

  absl::Status Start(uint16_t port) {
    ASSIGN_OR_RETURN(socket_, ConnectUdp("127.0.0.1", port));
    RETURN_IF_ERROR(
        context_.loop.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { OnReadable(); }));
    v1::AgentFrame frame;
    frame.mutable_datagrams_open();
    link_.Send(frame);
    return absl::OkStatus();
  }

  absl::Status OnFrame(const v1::ClientFrame& frame) override {
    if (!frame.has_datagram()) return InvalidArgument("a frame that is no datagram");
    const std::string& payload = frame.datagram().payload();
    if (payload.size() > kMostPayload) {
      return InvalidArgument("a datagram of {} bytes, more than {}", payload.size(), kMostPayload);
    }
    // Lost where the socket is full, or nobody listens there (yet).
    send(socket_.get(), payload.data(), payload.size(), MSG_NOSIGNAL);
    return absl::OkStatus();
  }

 private:
  void OnReadable() {
    std::array<char, kMostPayload> buffer;
    for (int i = 0; i < kTurn; ++i) {
      const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == ECONNREFUSED) continue;  // nobody listens there: may come yet
      if (got < 0) return;
      if (link_.pending() >= kMostPending) continue;
      frame_.mutable_datagram()->mutable_payload()->assign(buffer.data(), static_cast<size_t>(got));
      link_.Send(frame_);
    }
  }

  const Context& context_;
  ClientLink& link_;
  UniqueFd socket_;
  v1::AgentFrame frame_;  // reused: its payload keeps its memory
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartDatagramTask(const Context& context,
                                                               const v1::ClientFrame& request,
                                                               ClientLink& link) {
  ASSIGN_OR_RETURN(const uint16_t port, PortOf(request.open_datagrams().udp_port(), 1));
  auto task = std::make_unique<DatagramTask>(context, link);
  RETURN_IF_ERROR(task->Start(port));
  return task;
}

}  // namespace ember::agent
