#include "cli/input_stream.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ember::cli {
namespace {

// One message of the exec protocol holds at most 256 KiB; a pipe seldom more than 64.
constexpr size_t kPiece = size_t{64} << 10;

}  // namespace

void InputStream::Read(Taken taken) {
  taken_ = std::move(taken);
  if (polling_ == Polling::kUntried) {
    const absl::Status watched = loop_.Watch(fd_, EPOLLIN, [this](uint32_t) { OnReady(); });
    // Regular files can't be polled: they never keep a reader waiting.
    polling_ = watched.ok() ? Polling::kWatched : Polling::kImpossible;
  } else if (polling_ == Polling::kWatched) {
    loop_.Rearm(fd_, EPOLLIN);
  }
  if (polling_ == Polling::kImpossible) loop_.Post([this] { OnReady(); });
}

void InputStream::OnReady() {
  if (taken_ == nullptr) return;
  std::string piece(kPiece, '\0');
  ssize_t got = -1;
  do {
    got = ::read(fd_, piece.data(), piece.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return;  // somebody else was faster; it will be ready again
  piece.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (polling_ == Polling::kWatched) loop_.Rearm(fd_, 0);
  std::exchange(taken_, nullptr)(std::move(piece));
}

void InputStream::Stop() {
  taken_ = nullptr;
  if (polling_ == Polling::kWatched) loop_.Forget(fd_);
  polling_ = Polling::kUntried;
}

}  // namespace ember::cli
