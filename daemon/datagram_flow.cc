#include "daemon/datagram_flow.h"

#include <utility>

#include "base/status.h"
#include "daemon/agent_call.h"

namespace ember::daemon {
namespace {

constexpr size_t kMostEarly = 16;
// Bytes that may wait for the agent; what comes then is lost.
constexpr size_t kMostQueued = size_t{1} << 20;

agent::v1::ClientFrame FrameOf(std::string_view datagram) {
  agent::v1::ClientFrame frame;
  frame.mutable_datagram()->set_payload(datagram.data(), datagram.size());
  return frame;
}

}  // namespace

std::shared_ptr<DatagramFlow> DatagramFlow::Start(EventLoop& io, ReachedVm vm, uint16_t port,
                                                  Events events) {
  std::shared_ptr<DatagramFlow> flow(new DatagramFlow(io, std::move(vm), port, std::move(events)));
  flow->AwaitIdleness();
  flow->Dial();
  return flow;
}

DatagramFlow::DatagramFlow(EventLoop& io, ReachedVm vm, uint16_t port, Events events)
    : io_(io),
      vm_(std::move(vm)),
      port_(port),
      events_(std::move(events)),
      idle_(Deadline::After(kIdleLimit)) {}

DatagramFlow::~DatagramFlow() { io_.CancelTimer(idle_timer_); }

void DatagramFlow::Dial() {
  DialAgent(io_, vm_.machine, Deadline::After(kReachLimit),
            Reply<UniqueFd>([weak = weak_from_this()](absl::StatusOr<UniqueFd> fd) {
              if (const auto flow = weak.lock(); flow != nullptr) flow->OnDialled(std::move(fd));
            }));
}

void DatagramFlow::OnDialled(absl::StatusOr<UniqueFd> fd) {
  if (!fd.ok()) return End(fd.status());
  session_.emplace(io_, *std::move(fd), *this);
  if (absl::Status opened = session_->Open(); !opened.ok()) return End(opened);
  agent::v1::ClientFrame open;
  open.mutable_open_datagrams()->set_udp_port(port_);
  session_->Send(HelloFrame());
  session_->Send(open);
}

void DatagramFlow::Send(std::string_view datagram) {
  idle_ = Deadline::After(kIdleLimit);
  if (!open_) {
    if (early_.size() < kMostEarly) early_.emplace_back(datagram);
  } else if (session_->queued() < kMostQueued) {
    session_->Send(FrameOf(datagram));
  }
}

void DatagramFlow::OnFrame(const agent::v1::AgentFrame& frame) {
  switch (frame.kind_case()) {
    case agent::v1::AgentFrame::kHelloReply: {
      const absl::Status able = CheckCapability(frame.hello_reply(), "streams", vm_.name);
      return able.ok() ? void() : End(able);
    }
    case agent::v1::AgentFrame::kFailure:
      return End(StatusOfFailure(frame.failure()));
    case agent::v1::AgentFrame::kDatagramsOpen:
      open_ = true;
      for (const std::string& datagram : std::exchange(early_, {})) Send(datagram);
      return;
    case agent::v1::AgentFrame::kDatagram:
      idle_ = Deadline::After(kIdleLimit);
      return events_.received(frame.datagram().payload());
    default:
      return;  // what newer agents may add
  }
}

void DatagramFlow::OnClosed(absl::Status status) {
  End(status.ok() ? Unavailable("the agent ended") : status);
}

// One timer at a time, which looks whether there was a datagram meanwhile.
void DatagramFlow::AwaitIdleness() {
  idle_timer_ = io_.RunAfter(idle_.Remaining(), [this] {
    idle_timer_ = 0;
    idle_.expired() ? End(absl::OkStatus()) : AwaitIdleness();
  });
}

void DatagramFlow::End(const absl::Status& why) {
  const std::shared_ptr<DatagramFlow> alive = shared_from_this();
  if (session_.has_value()) session_->Close();
  std::exchange(events_.over, nullptr)(why);
}

}  // namespace ember::daemon
