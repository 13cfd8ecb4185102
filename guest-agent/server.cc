#include "guest-agent/server.h"

#include <utility>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/vsock_socket.h"

namespace ember::agent {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const Context& context, UniqueFd listener,
                                                       Peers peers, Serve serve) {
  std::unique_ptr<Server> server(new Server(context, std::move(listener), peers, serve));
  RETURN_IF_ERROR(context.loop.Watch(server->listener_.get(), EPOLLIN,
                                     [s = server.get()](uint32_t) { s->Accept(); }));
  return server;
}

Server::Server(const Context& context, UniqueFd listener, Peers peers, Serve serve)
    : context_(context),
      listener_(std::move(listener)),
      peers_(peers),
      serve_(serve),
      self_(std::make_shared<Server*>(this)) {}

Server::~Server() {
  *self_ = nullptr;
  context_.loop.CancelTimer(pause_);
  context_.loop.Forget(listener_.get());
}

void Server::Accept() {
  auto socket = AcceptUnix(listener_.get());
  if (!socket.ok()) {
    // Out of descriptors or memory: the connection waits, and so do we, rather than to spin.
    context_.log.Warn("cannot accept", {{"reason", std::string(Message(socket.status()))}});
    return PauseAccepting();
  }
  if (!socket->valid()) return;
  if (peers_ == Peers::kHostOnly && !PeerIsHost(socket->get())) {
    context_.log.Warn("refused a connection that is not the host's");
    return;
  }
  Admit(*std::move(socket));
}

void Server::Admit(UniqueFd socket) {
  const uint64_t id = next_id_++;
  auto over = [self = self_, id, loop = &context_.loop] {
    // Later: it is the connection itself that says so.
    loop->Post([self, id] {
      if (*self != nullptr) (*self)->connections_.erase(id);
    });
  };
  auto connection = serve_(context_, std::move(socket), std::move(over));
  if (!connection.ok()) {
    context_.log.Warn("cannot serve", {{"reason", std::string(Message(connection.status()))}});
    return;
  }
  connections_[id] = *std::move(connection);
}

void Server::PauseAccepting() {
  context_.loop.Rearm(listener_.get(), 0);
  pause_ = context_.loop.RunAfter(kPause, [this] {
    pause_ = 0;
    context_.loop.Rearm(listener_.get(), EPOLLIN);
  });
}

}  // namespace ember::agent
