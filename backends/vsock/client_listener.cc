#include "backends/vsock/client_listener.h"

#include <sys/epoll.h>

#include <string>
#include <utility>

#include "base/socket.h"
#include "base/status.h"

namespace ember::vsock {
namespace {

// Programs accepted before others get their turn.
constexpr int kAcceptBurst = 16;

}  // namespace

ClientListener::ClientListener(EventLoop& loop, HasRoom has_room, Arrived arrived,
                               RateLimitedLog& log)
    : loop_(loop), has_room_(std::move(has_room)), arrived_(std::move(arrived)), log_(log) {}

ClientListener::~ClientListener() {
  loop_.CancelTimer(pause_);
  loop_.Forget(listener_);
  for (const auto& [socket, client] : clients_) loop_.Forget(socket);
}

absl::Status ClientListener::Listen(int listener) {
  listener_ = listener;
  return loop_.Watch(listener, EPOLLIN, [this](uint32_t) { OnListener(); });
}

void ClientListener::OnListener() {
  for (int i = 0; i < kAcceptBurst; ++i) {
    absl::StatusOr<UniqueFd> socket = AcceptUnix(listener_);
    if (!socket.ok()) {
      log_.Warn("accept failed", {{"reason", std::string(Message(socket.status()))}});
      return Pause();
    }
    if (!socket->valid()) return;
    if (!has_room_()) {
      log_.Warn("too many connections");
      continue;
    }
    const int fd = socket->get();
    clients_[fd].socket = *std::move(socket);
    if (!loop_.Watch(fd, EPOLLIN, [this, fd](uint32_t) { OnClient(fd); }).ok()) {
      clients_.erase(fd);
      continue;
    }
    OnClient(fd);  // the line is mostly there by now
  }
}

// Without descriptors a waiting program would spin the loop.
void ClientListener::Pause() {
  loop_.Rearm(listener_, 0);
  pause_ = loop_.RunAfter(absl::Milliseconds(100), [this] {
    pause_ = 0;
    loop_.Rearm(listener_, EPOLLIN);
  });
}

void ClientListener::OnClient(int socket) {
  Client& client = clients_[socket];
  const HandshakeReader::Progress progress = client.reader.Read(socket);
  if (progress == HandshakeReader::Progress::kMore) return;
  const uint32_t port = client.reader.port();
  UniqueFd stream = std::move(client.socket);
  loop_.Forget(socket);
  clients_.erase(socket);
  if (progress == HandshakeReader::Progress::kDone) arrived_(std::move(stream), port);
}

}  // namespace ember::vsock
