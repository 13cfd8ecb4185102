#include <sys/socket.h>

#include <array>
#include <map>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "daemon/datagram_flow.h"
#include "daemon/forward_server.h"

namespace ember::daemon {
namespace {

// Clients that are served at a time; datagrams of others are lost until one has been idle.
constexpr size_t kMostFlows = 256;
// The most that fits into a datagram of UDP over IPv4.
constexpr size_t kMostPayload = 65507;
// Datagrams taken before others on the loop have their turn.
constexpr int kTurn = 32;

// A UDP socket of the host; every client that it hears from has a flow of its own.
class DatagramForward : public ForwardServer {
 public:
  DatagramForward(Context context, UniqueFd socket, uint16_t guest_port)
      : context_(std::move(context)), socket_(std::move(socket)), guest_port_(guest_port) {}

  ~DatagramForward() override {
    context_.io.Forget(socket_.get());
    *context_.connections -= static_cast<uint32_t>(flows_.size());
  }

  absl::Status Watch() {
    return context_.io.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { OnReadable(); });
  }

  void LeadTo(std::optional<ReachedVm> vm) override {
    vm_ = std::move(vm);
    // Each led to the machine before.
    *context_.connections -= static_cast<uint32_t>(flows_.size());
    flows_.clear();
  }

 private:
  void OnReadable() {
    std::array<char, kMostPayload> buffer;
    for (int i = 0; i < kTurn; ++i) {
      sockaddr_storage client{};
      socklen_t size = sizeof(client);
      const ssize_t got = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&client), &size);
      if (got < 0) return;
      const std::string address(reinterpret_cast<const char*>(&client), size);
      if (DatagramFlow* flow = FlowOf(address); flow != nullptr) {
        flow->Send({buffer.data(), static_cast<size_t>(got)});
      }
    }
  }

  // The flow of a client, a new one where there is none; null where there is no room.
  DatagramFlow* FlowOf(const std::string& client) {
    if (const auto known = flows_.find(client); known != flows_.end()) return known->second.get();
    if (!vm_.has_value() || flows_.size() >= kMostFlows) return nullptr;
    ++*context_.connections;
    // The flow may be over before Start returns.
    flows_[client] = nullptr;
    auto flow = DatagramFlow::Start(
        context_.io, *vm_, guest_port_,
        {.received = [this, client](std::string_view datagram) { Return(client, datagram); },
         .over = [this, client](const absl::Status& why) { OnOver(client, why); }});
    const auto entry = flows_.find(client);
    if (entry == flows_.end()) return nullptr;
    entry->second = std::move(flow);
    return entry->second.get();
  }

  void Return(const std::string& client, std::string_view datagram) {
    // Lost where the socket is full.
    sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(client.data()), static_cast<socklen_t>(client.size()));
  }

  void OnOver(const std::string& client, const absl::Status& why) {
    if (flows_.erase(client) > 0) --*context_.connections;
    if (absl::IsFailedPrecondition(why)) context_.report(why);
  }

  const Context context_;
  const UniqueFd socket_;
  const uint16_t guest_port_;
  std::optional<ReachedVm> vm_;
  std::map<std::string, std::shared_ptr<DatagramFlow>> flows_;  // by the client's sockaddr
};

}  // namespace

std::shared_ptr<ForwardServer> ServeDatagrams(ForwardServer::Context context, UniqueFd socket,
                                              const state::ForwardSide& guest) {
  auto forward = std::make_shared<DatagramForward>(context, std::move(socket), guest.port);
  const absl::Status watched = forward->Watch();
  context.report(watched);
  return watched.ok() ? forward : nullptr;
}

}  // namespace ember::daemon
