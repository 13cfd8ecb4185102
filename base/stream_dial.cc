#include "base/stream_dial.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/inet_socket.h"
#include "base/status.h"

namespace ember {
namespace {

// A Unix socket whose backlog is full refuses at once instead of letting us wait.
constexpr absl::Duration kFullBacklogPause = absl::Milliseconds(10);

constexpr std::array<std::string_view, 2> kLoopback = {"127.0.0.1", "::1"};

}  // namespace

std::string StreamAddress::ToString() const {
  if (!unix_path.empty()) return unix_path;
  if (ip.empty()) return fmt::format("port {}", port);
  return ip.find(':') == std::string::npos ? fmt::format("{}:{}", ip, port)
                                           : fmt::format("[{}]:{}", ip, port);
}

StreamDial::StreamDial(EventLoop& loop, StreamAddress address, absl::Duration limit, Done done)
    : loop_(loop), address_(std::move(address)), done_(std::move(done)) {
  limit_timer_ = loop_.RunAfter(limit, [this] {
    limit_timer_ = 0;
    Finish(DeadlineExceeded("{} did not answer", address_.ToString()));
  });
  again_timer_ = loop_.RunAfter(absl::ZeroDuration(), [this] { Begin(); });
}

StreamDial::~StreamDial() {
  loop_.CancelTimer(limit_timer_);
  loop_.CancelTimer(again_timer_);
  if (socket_.valid()) loop_.Forget(socket_.get());
}

void StreamDial::Begin() {
  again_timer_ = 0;
  address_.unix_path.empty() ? BeginTcp() : BeginUnix();
}

void StreamDial::BeginUnix() {
  if (address_.unix_path.size() > kLongestSocketPath) {
    return Finish(InvalidArgument("{}: a socket's path has at most {} bytes", address_.unix_path,
                                  kLongestSocketPath));
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Finish(ErrnoStatus(errno, "socket"));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.unix_path.data(), address_.unix_path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    return Finish(std::move(fd));
  }
  if (errno == EAGAIN) {
    again_timer_ = loop_.RunAfter(kFullBacklogPause, [this] { Begin(); });
    return;
  }
  Refused(ErrnoStatus(errno, address_.unix_path));
}

void StreamDial::BeginTcp() {
  const std::string ip = address_.ip.empty() ? std::string(kLoopback[next_ip_]) : address_.ip;
  ++next_ip_;
  auto begun = BeginConnectTcp(ip, address_.port);
  if (!begun.ok()) return Refused(begun.status());
  socket_ = *std::move(begun);
  const absl::Status watched =
      loop_.Watch(socket_.get(), EPOLLOUT, [this](uint32_t) { OnConnected(); });
  if (!watched.ok()) {
    socket_.Reset();
    Finish(watched);
  }
}

void StreamDial::OnConnected() {
  loop_.Forget(socket_.get());
  UniqueFd socket = std::move(socket_);
  const absl::Status outcome = ConnectOutcome(socket.get());
  if (!outcome.ok()) return Refused(outcome);
  Finish(std::move(socket));
}

void StreamDial::Refused(const absl::Status& why) {
  const bool nobody = absl::IsUnavailable(why) || absl::IsNotFound(why);
  if (nobody && address_.unix_path.empty() && address_.ip.empty() && next_ip_ < kLoopback.size()) {
    return BeginTcp();
  }
  if (!nobody && next_ip_ <= 1) return Finish(why);
  // Whatever the second address said, e.g. that there is no IPv6: nobody listens at the first.
  Finish(Unavailable("nobody listens at {}", address_.ToString()));
}

void StreamDial::Finish(absl::StatusOr<UniqueFd> outcome) {
  loop_.CancelTimer(std::exchange(limit_timer_, 0));
  if (socket_.valid()) loop_.Forget(socket_.get());
  socket_.Reset();
  std::exchange(done_, nullptr)(std::move(outcome));
}

}  // namespace ember
