#include "backends/hypervisor/qemu/hybrid_dial.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "base/socket.h"
#include "base/status.h"

namespace ember::hypervisor {
namespace {

// "OK " and a 32-bit number, with room for a longer one.
constexpr size_t kMaxAnswer = 32;
constexpr absl::Duration kLongestAttempt = absl::Hours(1);

bool IsOk(std::string_view line) {
  if (!line.starts_with("OK ") || line.size() == 3) return false;
  return std::all_of(line.begin() + 3, line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// One attempt. Lives on the loop; owned by its watch and its timer.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(EventLoop& io, uint32_t port, Reply<UniqueFd> reply)
      : io_(io), port_(port), reply_(std::move(reply)) {}

  void Start(const std::filesystem::path& socket, absl::Duration limit) {
    auto fd = ConnectUnix(socket);
    if (!fd.ok())
      return reply_(Unavailable("the guest cannot be reached: {}", Message(fd.status())));
    fd_ = *std::move(fd);
    const std::string request = fmt::format("CONNECT {}\n", port_);
    // A fresh socket takes so few bytes whole, or is closed already.
    if (send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return reply_(NobodyListens());
    }
    const absl::Status watched =
        io_.Watch(fd_.get(), EPOLLIN, [self = shared_from_this()](uint32_t) { self->Read(); });
    if (!watched.ok()) return reply_(watched);
    timer_ = io_.RunAfter(std::min(limit, kLongestAttempt),
                          [self = shared_from_this(), limit] { self->TimedOut(limit); });
  }

 private:
  absl::Status NobodyListens() const {
    return Unavailable("nobody listens on guest port {}", port_);
  }

  void Read() {
    std::array<char, kMaxAnswer> bytes;
    const ssize_t peeked = recv(fd_.get(), bytes.data(), bytes.size() - answer_.size(), MSG_PEEK);
    if (peeked < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (peeked <= 0) return Finish(NobodyListens());
    // Only bytes up to the line's end are taken; peeked bytes can be read again for sure.
    const std::string_view seen(bytes.data(), static_cast<size_t>(peeked));
    const size_t end = seen.find('\n');
    const size_t taken = end == std::string_view::npos ? seen.size() : end + 1;
    if (recv(fd_.get(), bytes.data(), taken, 0) != static_cast<ssize_t>(taken)) {
      return Finish(NobodyListens());
    }
    answer_.append(seen.substr(0, std::min(end, taken)));
    if (end != std::string_view::npos && IsOk(answer_)) return Finish(absl::OkStatus());
    if (end != std::string_view::npos || answer_.size() >= kMaxAnswer) {
      Finish(DataLoss("the vsock socket's answer is no handshake"));
    }
  }

  void TimedOut(absl::Duration limit) {
    timer_ = 0;
    Finish(DeadlineExceeded("guest port {} did not answer within {}", port_,
                            absl::FormatDuration(limit)));
  }

  void Finish(const absl::Status& status) {
    io_.Forget(fd_.get());
    io_.CancelTimer(std::exchange(timer_, 0));
    if (status.ok()) {
      reply_(std::move(fd_));
    } else {
      fd_.Reset();
      reply_(status);
    }
  }

  EventLoop& io_;
  const uint32_t port_;
  Reply<UniqueFd> reply_;
  UniqueFd fd_;
  std::string answer_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

void DialHybrid(EventLoop& io, std::filesystem::path socket, uint32_t port, absl::Duration attempt,
                Reply<UniqueFd> reply) {
  io.Post([&io, socket = std::move(socket), port, attempt, reply = std::move(reply)]() mutable {
    std::make_shared<Attempt>(io, port, std::move(reply))->Start(socket, attempt);
  });
}

}  // namespace ember::hypervisor
