#include "guest-agent/frame_socket.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/client_stream.h"
#include "guest-agent/failure.h"
#include "guest-agent/tree_data.h"

namespace ember::agent {
namespace {

constexpr size_t kReadSize = size_t{256} << 10;
constexpr absl::Duration kLinger = absl::Seconds(2);
constexpr std::string_view kClient = "the client";

absl::Status Gone() { return Cancelled("the client went away"); }

}  // namespace

FrameSocket::FrameSocket(TakenSocket socket)
    : fd_(std::move(socket.fd)), unsent_(std::move(socket.unsent)) {
  frames_.Append(socket.received);
}

absl::Status FrameSocket::Send(const v1::AgentFrame& frame) {
  std::string bytes;
  AppendFrame(frame.SerializeAsString(), bytes);
  return SendAll(bytes, {});
}

absl::Status FrameSocket::SendTreeData(std::string_view payload) {
  return SendAll(TreeDataHead(payload.size()).bytes(), payload);
}

absl::Status FrameSocket::SendAll(std::string_view head, std::string_view body) {
  if (cancellation_.token.stop_requested()) return Cancelled("the agent ends");
  // Behind what the session had not yet sent.
  std::array<std::string_view, 3> parts = {unsent_, head, body};
  size_t first = 0;
  while (first < parts.size()) {
    if (parts[first].empty()) {
      ++first;
      continue;
    }
    std::array<iovec, 3> pieces{};
    msghdr message{};
    message.msg_iov = pieces.data();
    for (size_t i = first; i < parts.size(); ++i) {
      pieces[message.msg_iovlen++] = {const_cast<char*>(parts[i].data()), parts[i].size()};
    }
    ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation_.WaitWritable(fd_.get(), kClient));
      continue;
    }
    if (sent < 0) return Gone();
    for (size_t i = first; i < parts.size() && sent > 0; ++i) {
      const size_t count = std::min(parts[i].size(), static_cast<size_t>(sent));
      parts[i].remove_prefix(count);
      sent -= static_cast<ssize_t>(count);
    }
  }
  unsent_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string_view>> FrameSocket::NextTreeData() {
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view bytes, NextFrame());
    std::optional<std::string_view> payload = TreeDataPayload(bytes);
    if (!payload.has_value()) {
      if (!frame_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return InvalidArgument("a frame of {} bytes is no ClientFrame", bytes.size());
      }
      if (frame_.kind_case() == v1::ClientFrame::KIND_NOT_SET) continue;
      if (frame_.has_tree_end()) return std::nullopt;
      if (!frame_.has_tree_data()) return InvalidArgument("a frame that is no part of a tree");
      payload = frame_.tree_data().payload();
    }
    if (payload->size() > kMaxPayload) {
      return InvalidArgument("{} bytes of a tree in one frame, {} are allowed", payload->size(),
                             kMaxPayload);
    }
    return payload;
  }
}

absl::StatusOr<const v1::ClientFrame*> FrameSocket::NextClientFrame() {
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view bytes, NextFrame());
    if (!frame_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return InvalidArgument("a frame of {} bytes is no ClientFrame", bytes.size());
    }
    if (frame_.kind_case() != v1::ClientFrame::KIND_NOT_SET) return &frame_;
  }
}

absl::StatusOr<std::string_view> FrameSocket::NextFrame() {
  while (true) {
    auto frame = frames_.Next();
    if (!frame.ok()) return InvalidArgument("{}", Message(frame.status()));
    if (frame->has_value()) return **frame;
    RETURN_IF_ERROR(Receive());
  }
}

absl::Status FrameSocket::Receive() {
  static thread_local std::array<char, kReadSize> buffer;
  while (true) {
    if (cancellation_.token.stop_requested()) return Cancelled("the agent ends");
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      frames_.Append({buffer.data(), static_cast<size_t>(got)});
      return absl::OkStatus();
    }
    if (got == 0) return Gone();
    if (errno == EAGAIN) {
      RETURN_IF_ERROR(cancellation_.WaitReadable(fd_.get(), kClient));
    } else if (errno != EINTR) {
      return Gone();
    }
  }
}

void FrameSocket::Finish() {
  // Closing at once could throw away what the client has not read yet.
  ::shutdown(fd_.get(), SHUT_WR);
  cancellation_ = cancellation_.Within(kLinger);
  while (Receive().ok()) frames_.TakeRest();
}

void FrameSocket::Fail(const absl::Status& status) {
  v1::AgentFrame frame;
  *frame.mutable_failure() = FailureOf(status);
  cancellation_ = cancellation_.Within(kLinger);
  if (Send(frame).ok()) Finish();
}

void FrameSocket::RefuseNow(const absl::Status& status) {
  v1::AgentFrame frame;
  *frame.mutable_failure() = FailureOf(status);
  cancellation_ = Cancellation::After(absl::ZeroDuration());
  (void)Send(frame);  // a client that does not read learns it from the end of the connection
}

}  // namespace ember::agent
