#include "daemon/proxy_session.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"
#include "daemon/guest_address.h"

namespace ember::daemon {
namespace {

constexpr size_t kPiece = size_t{64} << 10;

bool Transient(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

std::shared_ptr<ProxySession> ProxySession::Start(EventLoop& io, ReachedVm vm,
                                                  const state::ForwardSide& guest,
                                                  std::shared_ptr<Client> client) {
  // Whoever drops it last, it goes where it lives.
  const auto drop = [&io](ProxySession* last) {
    if (io.IsCurrent()) {
      delete last;
    } else {
      io.Post([owned = std::unique_ptr<ProxySession>(last)] {});
    }
  };
  std::shared_ptr<ProxySession> session(new ProxySession(io, vm.name, std::move(client)), drop);
  OpenStream(io, std::move(vm), ConnectFrame(guest), kReachLimit,
             Reply<RawConnection>([session](absl::StatusOr<RawConnection> opened) {
               session->OnOpened(std::move(opened));
             }));
  return session;
}

ProxySession::~ProxySession() {
  if (fd_.valid()) io_.Forget(fd_.get());
}

void ProxySession::OnOpened(absl::StatusOr<RawConnection> guest) {
  if (client_ == nullptr) return;
  if (!guest.ok()) return Finish(guest.status());
  fd_ = std::move(guest->fd);
  received_ = std::move(guest->received);
  const absl::Status watched = io_.Watch(
      fd_.get(), 0, [self = shared_from_this()](uint32_t events) { self->OnReady(events); });
  if (!watched.ok()) {
    fd_.Reset();
    return Finish(watched);
  }
  client_->Opened();
  OutputTaken();
}

void ProxySession::Input(std::string bytes) {
  if (!fd_.valid()) return;
  const std::shared_ptr<ProxySession> alive = shared_from_this();
  input_ = std::move(bytes);
  input_start_ = 0;
  Write();
  PassOnEnds();
  Rearm();
}

void ProxySession::InputEnd() {
  input_ended_ = true;
  PassOnEnds();
}

void ProxySession::OutputTaken() {
  if (!fd_.valid()) return;
  if (!received_.empty()) return client_->Output(std::exchange(received_, {}));
  reading_ = true;
  Rearm();
}

void ProxySession::OnReady(uint32_t events) {
  const std::shared_ptr<ProxySession> alive = shared_from_this();
  if (!input_.empty()) Write();
  if (fd_.valid() && reading_ && (events & ~uint32_t{EPOLLOUT}) != 0) Read();
  // It has hung up both ways, and all that it ever said was delivered.
  if (output_ended_ && (events & (EPOLLHUP | EPOLLERR)) != 0) deaf_ = true;
  PassOnEnds();
  Rearm();
}

void ProxySession::Read() {
  std::array<char, kPiece> buffer;
  const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) {
    reading_ = false;
    return client_->Output({buffer.data(), static_cast<size_t>(got)});
  }
  if (got < 0 && Transient(errno)) return;
  if (got == 0) {
    reading_ = false;
    output_ended_ = true;
    return client_->OutputEnded();
  }
  Finish(WithReason(Annotate(ErrnoStatus(errno, "the stream was cut"), "vm '" + vm_name_ + "'"),
                    "VM_WENT_AWAY"));
}

void ProxySession::Write() {
  while (input_start_ < input_.size()) {
    const ssize_t sent =
        send(fd_.get(), input_.data() + input_start_, input_.size() - input_start_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      deaf_ = true;  // what it still says is read to its end
      break;
    }
    input_start_ += static_cast<size_t>(sent);
  }
  input_.clear();
  client_->InputTaken();
}

void ProxySession::PassOnEnds() {
  if (!fd_.valid() || !input_.empty()) return;
  if (input_ended_) shutdown(fd_.get(), SHUT_WR);
  if (output_ended_ && (input_ended_ || deaf_)) Finish(absl::OkStatus());
}

void ProxySession::Rearm() {
  if (!fd_.valid()) return;
  uint32_t events = 0;
  if (reading_) events |= EPOLLIN;
  if (!input_.empty()) events |= EPOLLOUT;
  if (output_ended_) events |= EPOLLERR;  // EPOLLHUP comes unasked
  io_.Rearm(fd_.get(), events);
}

void ProxySession::Cancel() {
  if (client_ == nullptr) return;
  Finish(Cancelled("the stream into vm '{}' was cancelled", vm_name_));
}

void ProxySession::Finish(absl::Status status) {
  const std::shared_ptr<ProxySession> alive = shared_from_this();
  if (fd_.valid()) {
    io_.Forget(fd_.get());
    fd_.Reset();
  }
  input_.clear();
  std::exchange(client_, nullptr)->Ended(std::move(status));
}

}  // namespace ember::daemon
