#include <utility>

#include "base/stream_listener.h"
#include "daemon/agent_call.h"
#include "daemon/forward_links.h"
#include "daemon/forward_server.h"
#include "daemon/guest_address.h"

namespace ember::daemon {
namespace {

// A socket of the host that listens, each connection to it a stream into the guest.
class StreamForward : public ForwardServer, public std::enable_shared_from_this<StreamForward> {
 public:
  StreamForward(Context context, const state::ForwardSide& guest)
      : context_(std::move(context)),
        connect_(ConnectFrame(guest)),
        links_(context_.io, context_.connections) {}

  absl::Status Listen(UniqueFd socket) {
    auto listener = StreamListener::Start(context_.io, std::move(socket), [this](UniqueFd client) {
      OnConnection(std::move(client));
    });
    if (!listener.ok()) return listener.status();
    listener_ = *std::move(listener);
    return absl::OkStatus();
  }

  void LeadTo(std::optional<ReachedVm> vm) override { vm_ = std::move(vm); }

 private:
  // Closes the client, where it returns early.
  void OnConnection(UniqueFd client) {
    if (!vm_.has_value()) return;
    const auto link = links_.Begin();
    if (!link.has_value()) return;
    OpenStream(context_.io, *vm_, connect_, kReachLimit,
               Reply<RawConnection>([weak = weak_from_this(), id = *link,
                                     client = std::move(client)](auto guest) mutable {
                 const auto self = weak.lock();
                 if (self != nullptr) self->OnOpened(id, std::move(client), std::move(guest));
               }));
  }

  void OnOpened(uint64_t link, UniqueFd client, absl::StatusOr<RawConnection> guest) {
    // That nobody listens in the guest is for the one client to see; what goes for all is told.
    const bool for_all = absl::IsFailedPrecondition(guest.status());
    if (for_all || (guest.ok() && !healthy_)) context_.report(guest.status());
    healthy_ = !for_all;
    if (!guest.ok()) return links_.Drop(link);
    links_.Join(link, {.left = std::move(client),
                       .right = std::move(guest->fd),
                       .right_to_left = std::move(guest->received)});
  }

  const Context context_;
  const agent::v1::ClientFrame connect_;
  std::optional<ReachedVm> vm_;
  bool healthy_ = true;  // as was reported last
  ForwardLinks links_;
  std::unique_ptr<StreamListener> listener_;
};

}  // namespace

std::shared_ptr<ForwardServer> ServeStreams(ForwardServer::Context context, UniqueFd socket,
                                            const state::ForwardSide& guest) {
  auto forward = std::make_shared<StreamForward>(context, guest);
  const absl::Status listening = forward->Listen(std::move(socket));
  context.report(listening);
  return listening.ok() ? forward : nullptr;
}

}  // namespace ember::daemon
