#include "guest-agent/agent.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "guest-agent/json/json_connection.h"
#include "guest-agent/session.h"
#include "guest-agent/vsock_socket.h"

namespace ember::agent {
namespace {

constexpr mode_t kSocketMode = 0600;
constexpr absl::Duration kAnnouncementLimit = absl::Seconds(2);

std::filesystem::path FramedPath(const Options& options) {
  return fmt::format("{}_{}", options.uds.native(), options.framed_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const Context& context,
                                                     const Options& options) {
  std::unique_ptr<Agent> agent(new Agent(context, options));
  RETURN_IF_ERROR(agent->Listen());
  if (options.uds.empty()) {
    agent->AnnounceToHost();
  } else if (!options.ready_socket.empty()) {
    agent->AnnounceOnSocket();
  }
  return agent;
}

Agent::~Agent() {
  context_.loop.CancelTimer(announcement_timer_);
  if (announcement_.valid()) context_.loop.Forget(announcement_.get());
  context_.joints.Cut();
  if (options_.uds.empty()) return;
  // Only files that are ours: a server exists once its socket does.
  if (framed_ != nullptr) unlink(FramedPath(options_).c_str());
  if (json_ != nullptr) unlink(options_.uds.c_str());
}

absl::Status Agent::Listen() {
  const bool unix_sockets = !options_.uds.empty();
  const Peers peers = unix_sockets ? Peers::kAny : Peers::kHostOnly;
  ASSIGN_OR_RETURN(UniqueFd json, unix_sockets ? ListenUnix(options_.uds, kSocketMode)
                                               : ListenVsock(options_.json_port));
  ASSIGN_OR_RETURN(json_,
                   Server::Create(context_, std::move(json), peers, &JsonConnection::Create));
  ASSIGN_OR_RETURN(UniqueFd framed, unix_sockets ? ListenUnix(FramedPath(options_), kSocketMode)
                                                 : ListenVsock(options_.framed_port));
  ASSIGN_OR_RETURN(framed_, Server::Create(context_, std::move(framed), peers, &Session::Create));
  return absl::OkStatus();
}

// The host may have nobody there: whatever comes of it, it is over soon and nothing waits for it.
void Agent::AnnounceToHost() {
  auto socket = BeginConnectToHost(kReadyPort);
  if (!socket.ok()) return;
  announcement_ = *std::move(socket);
  const auto done = [this] {
    context_.loop.CancelTimer(std::exchange(announcement_timer_, 0));
    context_.loop.Forget(announcement_.get());
    announcement_.Reset();
  };
  if (!context_.loop.Watch(announcement_.get(), EPOLLOUT, [done](uint32_t) { done(); }).ok()) {
    announcement_.Reset();
    return;
  }
  announcement_timer_ = context_.loop.RunAfter(kAnnouncementLimit, done);
}

void Agent::AnnounceOnSocket() {
  if (const auto socket = ConnectUnix(options_.ready_socket); !socket.ok()) {
    context_.log.Warn("nobody waits for readiness",
                      {{"reason", std::string(Message(socket.status()))}});
  }
}

}  // namespace ember::agent
