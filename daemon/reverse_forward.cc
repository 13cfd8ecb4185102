#include <algorithm>
#include <map>
#include <utility>

#include "base/status.h"
#include "base/stream_dial.h"
#include "daemon/agent_call.h"
#include "daemon/agent_connection.h"
#include "daemon/forward_links.h"
#include "daemon/forward_server.h"
#include "daemon/guest_address.h"

namespace ember::daemon {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
// The host's socket has so long to take a connection.
constexpr absl::Duration kHostLimit = absl::Seconds(10);

StreamAddress HostAddress(const state::ForwardSide& host) {
  return {.unix_path = host.path, .ip = host.ip, .port = host.port};
}

// A socket of the guest that listens as long as our session with its agent, and is opened anew when
// that ends; each connection to it leads to a socket of the host.
class ReverseForward : public ForwardServer,
                       public std::enable_shared_from_this<ReverseForward>,
                       public AgentConnection::Handler {
 public:
  ReverseForward(Context context, const state::Forward& forward)
      : context_(std::move(context)),
        guest_(forward.guest),
        host_(HostAddress(forward.host)),
        links_(context_.io, context_.connections) {}

  ~ReverseForward() override { context_.io.CancelTimer(again_); }

  void LeadTo(std::optional<ReachedVm> vm) override {
    session_.reset();
    context_.io.CancelTimer(std::exchange(again_, 0));
    pause_ = kFirstPause;
    vm_ = std::move(vm);
    ++attempt_;
    if (vm_.has_value()) Dial();
  }

 private:
  void Dial() {
    again_ = 0;
    DialAgent(context_.io, vm_->machine, Deadline::After(kReachLimit),
              Reply<UniqueFd>([weak = weak_from_this(), attempt = attempt_](auto fd) {
                const auto self = weak.lock();
                if (self != nullptr && self->attempt_ == attempt) self->OnDialled(std::move(fd));
              }));
  }

  void OnDialled(absl::StatusOr<UniqueFd> fd) {
    if (!fd.ok()) return TryAgain(fd.status());
    session_.emplace(context_.io, *std::move(fd), *this);
    if (absl::Status opened = session_->Open(); !opened.ok()) return TryAgain(opened);
    agent::v1::ClientFrame listen;
    *listen.mutable_listen()->mutable_address() = GuestAddress(guest_);
    session_->Send(HelloFrame());
    session_->Send(listen);
  }

  void OnFrame(const agent::v1::AgentFrame& frame) override {
    switch (frame.kind_case()) {
      case agent::v1::AgentFrame::kHelloReply: {
        const absl::Status able = CheckCapability(frame.hello_reply(), "streams", vm_->name);
        return able.ok() ? void() : TryAgain(able);
      }
      case agent::v1::AgentFrame::kFailure:
        return TryAgain(
            Annotate(StatusOfFailure(frame.failure()), fmt::format("vm '{}'", vm_->name)));
      case agent::v1::AgentFrame::kListening:
        pause_ = kFirstPause;
        return context_.report(absl::OkStatus());
      case agent::v1::AgentFrame::kIncoming:
        return OnIncoming(frame.incoming().token());
      default:
        return;  // what newer agents may add
    }
  }

  void OnClosed(absl::Status status) override {
    TryAgain(Unavailable("vm '{}': the guest stopped listening ({})", vm_->name,
                         status.ok() ? "its agent ended" : Message(status)));
  }

  void TryAgain(const absl::Status& why) {
    session_.reset();
    context_.report(why);
    again_ = context_.io.RunAfter(pause_, [this] { Dial(); });
    pause_ = std::min(pause_ * 2, kLongestPause);
  }

  // The guest's side is taken first: it would not wait for a slow host.
  void OnIncoming(uint64_t token) {
    const auto link = links_.Begin();
    if (!link.has_value()) return;  // the agent closes it soon
    agent::v1::ClientFrame accept;
    accept.mutable_accept_stream()->set_token(token);
    OpenStream(context_.io, *vm_, accept, kReachLimit,
               Reply<RawConnection>([weak = weak_from_this(), id = *link](auto guest) {
                 const auto self = weak.lock();
                 if (self != nullptr) self->OnAccepted(id, std::move(guest));
               }));
  }

  void OnAccepted(uint64_t link, absl::StatusOr<RawConnection> guest) {
    if (!guest.ok()) return links_.Drop(link);
    Dialled& dialled = dials_[link];
    dialled.guest = *std::move(guest);
    dialled.dial = std::make_unique<StreamDial>(
        context_.io, host_, kHostLimit,
        [this, link](absl::StatusOr<UniqueFd> host) { OnHost(link, std::move(host)); });
  }

  void OnHost(uint64_t link, absl::StatusOr<UniqueFd> host) {
    auto dialled = dials_.extract(link);
    if (!host.ok()) return links_.Drop(link);
    RawConnection& guest = dialled.mapped().guest;
    links_.Join(link, {.left = *std::move(host),
                       .right = std::move(guest.fd),
                       .right_to_left = std::move(guest.received)});
  }

  // A connection of the guest that waits for the host's side.
  struct Dialled {
    RawConnection guest;
    std::unique_ptr<StreamDial> dial;
  };

  const Context context_;
  const state::ForwardSide guest_;
  const StreamAddress host_;
  std::optional<ReachedVm> vm_;
  uint64_t attempt_ = 0;  // a dial of an earlier VM finds another number
  EventLoop::TimerId again_ = 0;
  absl::Duration pause_ = kFirstPause;
  ForwardLinks links_;
  std::map<uint64_t, Dialled> dials_;
  std::optional<AgentConnection> session_;
};

}  // namespace

std::shared_ptr<ForwardServer> ServeReverse(ForwardServer::Context context,
                                            const state::Forward& forward) {
  return std::make_shared<ReverseForward>(std::move(context), forward);
}

}  // namespace ember::daemon
