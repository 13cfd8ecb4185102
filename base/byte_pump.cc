#include "base/byte_pump.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/status_macros.h"

namespace ember {
namespace {

constexpr size_t kFlowLimit = 64 << 10;

bool Transient(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

BytePump::BytePump(EventLoop& loop, Sides sides, Ended ended)
    : loop_(loop),
      left_(std::move(sides.left)),
      right_(std::move(sides.right)),
      ended_(std::move(ended)) {
  forward_.buffer = std::move(sides.left_to_right);
  backward_.buffer = std::move(sides.right_to_left);
}

BytePump::Handle BytePump::Start(EventLoop& loop, Sides sides, Ended ended) {
  std::shared_ptr<BytePump> pump(new BytePump(loop, std::move(sides), std::move(ended)));
  if (pump->Watch(pump).ok()) {
    pump->Turn();
  } else {
    pump->Finish();
  }
  return pump;
}

// The two watches are what owns the pump.
absl::Status BytePump::Watch(const std::shared_ptr<BytePump>& self) {
  RETURN_IF_ERROR(loop_.Watch(left_.get(), 0, [self](uint32_t events) {
    self->OnReady(self->forward_, self->backward_, events);
  }));
  return loop_.Watch(right_.get(), 0, [self](uint32_t events) {
    self->OnReady(self->backward_, self->forward_, events);
  });
}

void BytePump::Abort() {
  if (left_.valid()) Finish();
}

// A side has something to say: `sent` is what it sends, `received` what it is to receive.
void BytePump::OnReady(const Flow& sent, Flow& received, uint32_t events) {
  // It has hung up both ways, and all it ever sent was delivered: nothing can reach it any more.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0 && sent.done) received.done = true;
  Turn();
}

void BytePump::Turn() {
  if (!left_.valid()) return;
  if (!forward_.done) Move(forward_, left_.get(), right_.get());
  if (!backward_.done) Move(backward_, right_.get(), left_.get());
  if (forward_.done && backward_.done) {
    Finish();
  } else {
    Rearm();
  }
}

// Reads what there is room for and writes what there is.
void BytePump::Move(Flow& flow, int from, int to) {
  if (!flow.source_ended && flow.buffer.size() == flow.start) {
    flow.start = 0;
    flow.buffer.resize(kFlowLimit);
    const ssize_t got = recv(from, flow.buffer.data(), flow.buffer.size(), 0);
    const int error = errno;
    flow.buffer.resize(got > 0 ? static_cast<size_t>(got) : 0);
    // A reset is an end too: everything that came before it has been read by then.
    if (got == 0 || (got < 0 && !Transient(error))) flow.source_ended = true;
  }
  while (flow.start < flow.buffer.size()) {
    const ssize_t sent =
        send(to, flow.buffer.data() + flow.start, flow.buffer.size() - flow.start, MSG_NOSIGNAL);
    if (sent < 0 && Transient(errno)) return;
    if (sent < 0) return Abandon(flow, from);
    flow.start += static_cast<size_t>(sent);
  }
  if (flow.source_ended) {
    flow.done = true;
    shutdown(to, SHUT_WR);
  }
}

// The receiver takes no more. What it still says is another flow, which goes on to its end.
void BytePump::Abandon(Flow& flow, int from) {
  flow = {.buffer = {}, .start = 0, .source_ended = true, .done = true};
  // The sender learns it by its next write.
  shutdown(from, SHUT_RD);
}

// Asks for input only when there is room for it, for output only when there is something to write,
// and for a hang-up once all of a side's words are delivered: a level-triggered loop would spin
// otherwise.
void BytePump::Rearm() {
  const auto wanted = [](const Flow& in, const Flow& out) {
    uint32_t events = 0;
    if (!in.source_ended && in.start == in.buffer.size()) events |= EPOLLIN;
    if (out.start < out.buffer.size()) events |= EPOLLOUT;
    if (in.done && !out.done) events |= EPOLLERR;  // EPOLLHUP comes unasked
    return events;
  };
  loop_.Rearm(left_.get(), wanted(forward_, backward_));
  loop_.Rearm(right_.get(), wanted(backward_, forward_));
}

void BytePump::Finish() {
  loop_.Forget(left_.get());
  loop_.Forget(right_.get());
  left_.Reset();
  right_.Reset();
  if (ended_) std::exchange(ended_, nullptr)();
}

}  // namespace ember
