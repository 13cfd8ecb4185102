#include "backends/vsock/worker.h"

#include <sys/epoll.h>

#include <optional>
#include <utility>

#include "base/cancellation.h"
#include "base/status_macros.h"

namespace ember::vsock {
namespace {

// The keeper writes a whole request at once; within one it can't be slow.
constexpr absl::Duration kRequestDeadline = absl::Seconds(5);

}  // namespace

Worker::Worker(Borrowed borrowed, UniqueFd control, Muxer::Options options, Log log)
    : borrowed_(borrowed),
      control_(std::move(control)),
      muxer_(borrowed.loop, borrowed.server, borrowed.table, std::move(options), std::move(log)) {}

Worker::~Worker() { borrowed_.loop.Forget(control_.get()); }

absl::Status Worker::Start() {
  RETURN_IF_ERROR(borrowed_.loop.Watch(control_.get(), EPOLLIN, [this](uint32_t) { OnControl(); }));
  muxer_.ResetOldConnections();
  borrowed_.server.Resume();
  return muxer_.Listen(borrowed_.listener);
}

void Worker::OnControl() {
  absl::StatusOr<std::optional<vhost_user::RequestMessage>> message =
      vhost_user::ReceiveRequest(control_.get(), Cancellation::After(kRequestDeadline));
  absl::Status status = message.status();
  if (status.ok() && message->has_value()) status = Answer(*std::move(*message));
  if (status.ok() && message->has_value()) return;
  ended_ = status;
  borrowed_.loop.Stop();
}

absl::Status Worker::Answer(vhost_user::RequestMessage message) {
  const vhost_user::Header header = message.header;
  ASSIGN_OR_RETURN(const std::optional<std::string> reply,
                   borrowed_.server.Handle(std::move(message)));
  return vhost_user::SendReply(control_.get(), header, reply.value_or(""),
                               Cancellation::After(kRequestDeadline));
}

}  // namespace ember::vsock
