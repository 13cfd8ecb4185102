#include <cstdint>

#include "base/status.h"
#include "guest-agent/listening_ports.h"
#include "guest-agent/session_task.h"

namespace ember::agent {
namespace {

// The kernel tells nobody that a socket listens: it has to be looked at.
constexpr absl::Duration kPause = absl::Milliseconds(50);

class WaitPortTask : public SessionTask {
 public:
  WaitPortTask(EventLoop& loop, ClientLink& link, uint16_t port)
      : loop_(loop), link_(link), port_(port) {}
  ~WaitPortTask() override { loop_.CancelTimer(timer_); }

  absl::Status OnFrame(const v1::ClientFrame&) override {
    return InvalidArgument("a frame behind WaitPort");
  }

  void Look() {
    timer_ = 0;
    if (!SomethingListens(port_)) {
      timer_ = loop_.RunAfter(kPause, [this] { Look(); });
      return;
    }
    v1::AgentFrame frame;
    frame.mutable_done();
    link_.Send(frame);
    link_.Finish();
  }

 private:
  EventLoop& loop_;
  ClientLink& link_;
  const uint16_t port_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionTask>> StartWaitPortTask(const Context& context,
                                                               const v1::ClientFrame& request,
                                                               ClientLink& link) {
  const uint32_t port = request.wait_port().tcp_port();
  if (port == 0 || port > UINT16_MAX) return InvalidArgument("WaitPort: {} is no TCP port", port);
  auto task = std::make_unique<WaitPortTask>(context.loop, link, static_cast<uint16_t>(port));
  task->Look();
  return task;
}

}  // namespace ember::agent
