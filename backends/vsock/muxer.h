#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/vsock/client_listener.h"
#include "backends/vsock/connection.h"
#include "backends/vsock/connection_table.h"
#include "backends/vsock/packet.h"
#include "backends/vsock/packet_writer.h"
#include "backends/vsock/rate_limited_log.h"
#include "backends/vsock/vhost_user/server.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace ember::vsock {

// Moves the data: between the two rings of one guest and the sockets of the host programs it speaks
// with. Takes buffers of the rx ring only for packets that it can fill at once, and gives every
// buffer back within the same callback, in order; so a worker that takes over knows where to go on.
//
// The guest is not trusted. A packet that breaks a connection's rules resets that connection; a
// ring that breaks virtio's rules makes the device broken: everything is closed and the rings are
// left alone until the driver starts them anew. Lives on `loop`.
class Muxer {
 public:
  struct Options {
    uint64_t guest_cid = 0;
    std::string forward_prefix;  // a connection of the guest's to port P goes to <prefix>_<P>
    size_t max_connections = kMaxConnections;
    absl::Duration patience = absl::Seconds(2);  // for a guest that owes an answer
  };

  // All are borrowed. Becomes the server's listener.
  Muxer(EventLoop& loop, vhost_user::Server& server, ConnectionTable& table, Options options,
        Log log);
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;
  ~Muxer();

  // Serves the host programs that connect to `listener` (borrowed).
  absl::Status Listen(int listener);

  // In a worker that takes over from one that died, before Server::Resume: the guest will be told
  // first of all that its connections are gone.
  void ResetOldConnections();

  size_t connections() const { return connections_.size(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct KeyHash {
    size_t operator()(const ConnectionKey& key) const {
      return std::hash<uint64_t>()(uint64_t{key.host_port} << 32 | key.guest_port);
    }
  };
  // What the muxer keeps about a connection.
  struct Entry {
    Connection connection;
    bool queued = false;                        // in ready_
    std::optional<Clock::time_point> deadline;  // of the guest's answer; then also in deadlines_
  };

  // The rings.
  vhost_user::Ring& rx() { return server_.ring(vhost_user::kRxRing); }
  vhost_user::Ring& tx() { return server_.ring(vhost_user::kTxRing); }
  bool CanMove() const;
  void OnRingStarted(size_t ring, vhost_user::Server::Listener::Start start);
  void WatchKick(size_t ring);
  void OnKick(size_t ring);
  void Break(const absl::Status& reason);
  void ForgetGuest();

  // Guest to host.
  void PumpTx();
  bool TakePackets(vhost_user::Virtqueue& queue);
  void OnPacket();
  void OnRequest(const PacketHeader& header);

  // Host to guest.
  void PumpRx();
  bool FillRx(vhost_user::Virtqueue& queue);
  bool Serve(vhost_user::Virtqueue& queue, Entry& entry);
  bool Sent(const absl::StatusOr<bool>& written);

  // Host programs.
  void OnClient(UniqueFd socket, uint32_t guest_port);
  void OnSocket(ConnectionKey key, uint32_t events);

  // Connections.
  Entry* Find(ConnectionKey key);
  Entry* Add(Connection connection);
  // To be called after anything was done with a connection: sees to what it wants now. False when
  // it is gone.
  bool Settle(Entry& entry);
  void Enqueue(Entry& entry);
  void Remove(ConnectionKey key);
  void OweReset(ConnectionKey key);
  void StartTimer();
  void OnTimer();
  bool Full() const;

  EventLoop& loop_;
  vhost_user::Server& server_;
  ConnectionTable& table_;
  const Options options_;
  RateLimitedLog log_;
  ClientListener clients_;

  std::unordered_map<ConnectionKey, std::unique_ptr<Entry>, KeyHash> connections_;
  std::deque<ConnectionKey> ready_;   // have something for the guest
  std::deque<ConnectionKey> resets_;  // RSTs owed for connections that are gone
  std::deque<std::pair<Clock::time_point, ConnectionKey>> deadlines_;  // in order
  EventLoop::TimerId timer_ = 0;

  bool fresh_driver_ = false;
  bool broken_ = false;
  bool tx_held_ = false;         // until the guest takes the RSTs it is owed
  bool more_posted_ = false;     // PumpTx goes on in a task of its own
  std::shared_ptr<bool> alive_;  // for tasks in the loop's queue that may outlive this

  // Kept to allocate once.
  vhost_user::DescriptorChain packet_;
  std::vector<iovec> pieces_;
  PacketWriter writer_;
};

}  // namespace ember::vsock
