#include "base/stream_listener.h"

#include <utility>

#include "base/inet_socket.h"
#include "base/socket.h"
#include "base/status_macros.h"

namespace ember {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<StreamListener>> StreamListener::Start(EventLoop& loop,
                                                                      UniqueFd socket,
                                                                      Accepted accepted) {
  std::unique_ptr<StreamListener> listener(
      new StreamListener(loop, std::move(socket), std::move(accepted)));
  RETURN_IF_ERROR(loop.Watch(listener->socket_.get(), EPOLLIN,
                             [raw = listener.get()](uint32_t) { raw->Accept(); }));
  return listener;
}

StreamListener::StreamListener(EventLoop& loop, UniqueFd socket, Accepted accepted)
    : loop_(loop), socket_(std::move(socket)), accepted_(std::move(accepted)) {}

StreamListener::~StreamListener() {
  loop_.CancelTimer(pause_);
  loop_.Forget(socket_.get());
}

void StreamListener::Accept() {
  auto connection = AcceptUnix(socket_.get());
  if (!connection.ok()) {
    // The connection stays in the backlog: a watch would spin.
    loop_.Rearm(socket_.get(), 0);
    pause_ = loop_.RunAfter(kPause, [this] {
      pause_ = 0;
      if (!held_) loop_.Rearm(socket_.get(), EPOLLIN);
    });
    return;
  }
  if (!connection->valid()) return;
  SendWithoutDelay(connection->get());
  accepted_(*std::move(connection));
}

void StreamListener::Hold() {
  held_ = true;
  loop_.Rearm(socket_.get(), 0);
}

void StreamListener::Proceed() {
  held_ = false;
  if (pause_ == 0) loop_.Rearm(socket_.get(), EPOLLIN);
}

}  // namespace ember
