#include "cli/output_stream.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/check.h"
#include "base/status.h"

namespace ember::cli {

OutputStream::OutputStream(EventLoop& loop, int fd) : loop_(loop), fd_(fd), kind_(Kind::kOther) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  if (S_ISREG(status.st_mode)) kind_ = Kind::kRegular;
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::kSocket;
}

OutputStream::~OutputStream() {
  if (watched_) loop_.Forget(fd_);
}

void OutputStream::Write(std::string bytes, Written written) {
  EMBER_CHECK(written_ == nullptr);
  bytes_ = std::move(bytes);
  start_ = 0;
  written_ = std::move(written);
  Continue();
}

ssize_t OutputStream::WriteSome(std::string_view bytes) const {
  if (kind_ == Kind::kRegular) return ::write(fd_, bytes.data(), bytes.size());
  if (kind_ == Kind::kSocket) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)).
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
}

void OutputStream::Continue() {
  while (written_ != nullptr && start_ < bytes_.size()) {
    const ssize_t written = WriteSome(std::string_view(bytes_).substr(start_));
    if (written >= 0) {
      start_ += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      return AwaitWritable();
    } else if (errno != EINTR) {
      return Answer(ErrnoStatus(errno, "writing the output"));
    }
  }
  Answer(absl::OkStatus());
}

void OutputStream::AwaitWritable() {
  if (watched_) return;
  const absl::Status status = loop_.Watch(fd_, EPOLLOUT, [this](uint32_t) { Continue(); });
  if (!status.ok()) return Answer(status);
  watched_ = true;
}

void OutputStream::Answer(const absl::Status& status) {
  if (watched_) loop_.Forget(fd_);
  watched_ = false;
  if (written_ != nullptr) std::exchange(written_, nullptr)(status);
}

}  // namespace ember::cli
