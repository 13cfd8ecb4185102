#include "tests/support/echo_service.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace ember::testing {
namespace {

bool Transient() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

std::weak_ptr<EchoService> EchoService::Serve(EventLoop& loop, UniqueFd fd, uint32_t port) {
  std::shared_ptr<EchoService> echo(new EchoService(loop, std::move(fd)));
  echo->self_ = echo;
  echo->out_ = "port " + std::to_string(port) + "\n";
  EMBER_CHECK(loop.Watch(echo->fd_.get(), EPOLLIN | EPOLLOUT,
                         [raw = echo.get()](uint32_t) {
                           const auto alive = raw->self_;
                           raw->OnReady();
                         })
                  .ok());
  return echo;
}

void EchoService::Close() {
  if (!fd_.valid()) return;
  loop_.Forget(fd_.get());
  fd_.Reset();
  self_.reset();
}

void EchoService::OnReady() {
  std::array<char, 65536> buffer;
  if (out_.empty() && !ended_) {
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && !Transient()) return Close();
    if (got > 0) out_.assign(buffer.data(), static_cast<size_t>(got));
    ended_ = got == 0;
  }
  if (!out_.empty()) {
    const ssize_t sent = send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && !Transient()) return Close();
    if (sent > 0) out_.erase(0, static_cast<size_t>(sent));
  }
  if (ended_ && out_.empty()) return Close();
  loop_.Rearm(fd_.get(), out_.empty() ? EPOLLIN : EPOLLOUT);
}

}  // namespace ember::testing
