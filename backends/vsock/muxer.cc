#include "backends/vsock/muxer.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "base/check.h"
#include "base/socket.h"
#include "base/status.h"

namespace ember::vsock {
namespace {

using vhost_user::Server;
using vhost_user::Virtqueue;

// Packets of the tx ring that are taken before others get their turn.
constexpr size_t kTxBurst = 256;
// A guest that is owed that many RSTs and takes none is not listened to.
constexpr size_t kMaxResets = 2048;

ConnectionKey KeyOf(const PacketHeader& header) {
  return {header.destination_port, header.source_port};
}

}  // namespace

Muxer::Muxer(EventLoop& loop, Server& server, ConnectionTable& table, Options options, Log log)
    : loop_(loop),
      server_(server),
      table_(table),
      options_(std::move(options)),
      log_(std::move(log)),
      clients_(
          loop, [this] { return !Full(); },
          [this](UniqueFd socket, uint32_t port) { OnClient(std::move(socket), port); }, log_),
      alive_(std::make_shared<bool>(true)) {
  Server::Listener listener;
  listener.started = [this](size_t ring, Server::Listener::Start start) {
    OnRingStarted(ring, start);
  };
  listener.refused = [this](size_t, const absl::Status& reason) { Break(reason); };
  listener.kick_changing = [this](size_t ring) { loop_.Forget(server_.ring(ring).kick.get()); };
  listener.kick_changed = [this](size_t ring) { WatchKick(ring); };
  server_.SetListener(std::move(listener));
}

Muxer::~Muxer() {
  *alive_ = false;
  server_.SetListener({});
  for (size_t i = 0; i < vhost_user::kRings; ++i) loop_.Forget(server_.ring(i).kick.get());
  loop_.CancelTimer(timer_);
  for (const auto& [key, entry] : connections_) loop_.Forget(entry->connection.socket());
}

// ---- rings ----

bool Muxer::CanMove() const {
  return !broken_ && server_.running(vhost_user::kRxRing) && server_.running(vhost_user::kTxRing);
}

void Muxer::OnRingStarted(size_t ring, Server::Listener::Start start) {
  if (start == Server::Listener::Start::kFresh) fresh_driver_ = true;
  if (!server_.running(vhost_user::kRxRing) || !server_.running(vhost_user::kTxRing)) return;
  if (fresh_driver_) {
    // A driver that begins anew knows nothing of what was; one that goes on after a pause does.
    ForgetGuest();
    fresh_driver_ = false;
    broken_ = false;
  }
  PumpTx();
}

void Muxer::WatchKick(size_t ring) {
  const absl::Status status =
      loop_.Watch(server_.ring(ring).kick.get(), EPOLLIN, [this, ring](uint32_t) { OnKick(ring); });
  if (!status.ok()) Break(status);
}

void Muxer::OnKick(size_t ring) {
  eventfd_t ignored;
  eventfd_read(server_.ring(ring).kick.get(), &ignored);
  if (ring == vhost_user::kTxRing) {
    PumpTx();
  } else {
    PumpRx();
  }
}

void Muxer::Break(const absl::Status& reason) {
  log_.Warn("device broken by its guest", {{"reason", std::string(Message(reason))}});
  broken_ = true;
  ForgetGuest();
}

// Drops all that the guest may know; host programs that still wait for it go on waiting.
void Muxer::ForgetGuest() {
  std::vector<ConnectionKey> known;
  for (const auto& [key, entry] : connections_) {
    if (entry->connection.state() != Connection::State::kWaiting) known.push_back(key);
  }
  for (const ConnectionKey& key : known) Remove(key);
  resets_.clear();
  tx_held_ = false;
}

void Muxer::ResetOldConnections() {
  for (const ConnectionKey& key : table_.TakeAll()) resets_.push_back(key);
}

// ---- guest to host ----

void Muxer::PumpTx() {
  if (CanMove() && !tx_held_) {
    Virtqueue& queue = *tx().queue;
    queue.DisableKicks();
    const bool more = TakePackets(queue);
    if (!CanMove()) return;
    if (queue.Publish()) tx().Call();
    if (more && !more_posted_) {
      more_posted_ = true;
      loop_.Post([this, alive = alive_] {
        if (!*alive) return;
        more_posted_ = false;
        PumpTx();
      });
    }
  }
  PumpRx();
}

// Takes what is there, up to a burst; true when it stopped at that.
bool Muxer::TakePackets(Virtqueue& queue) {
  for (size_t taken = 0; taken < kTxBurst; ++taken) {
    if (resets_.size() >= kMaxResets) {
      tx_held_ = true;
      return false;
    }
    absl::StatusOr<bool> popped = queue.Pop(packet_);
    if (popped.ok() && !*popped) {
      if (!queue.EnableKicks()) return false;
      queue.DisableKicks();
      continue;
    }
    if (popped.ok() && packet_.readable_bytes < sizeof(PacketHeader)) {
      popped = InvalidArgument("driver: a packet of {} bytes", packet_.readable_bytes);
    }
    if (!popped.ok()) {
      Break(popped.status());
      return false;
    }
    OnPacket();
    queue.Push(packet_.head, 0);
  }
  return true;
}

void Muxer::OnPacket() {
  PacketHeader header;
  EMBER_CHECK(SplitPacket(packet_.readable, header, pieces_));
  // Packets for other hosts and from other guests are dropped, as the kernel's device does.
  if (header.source_cid != options_.guest_cid || header.destination_cid != kHostCid) return;
  const ConnectionKey key = KeyOf(header);
  Entry* entry = Find(key);
  if (entry != nullptr && entry->connection.state() == Connection::State::kDraining) {
    // To the guest it is gone.
    if (header.op() == Operation::kRequest) Remove(key);
    entry = nullptr;
  }
  if (entry == nullptr) {
    if (header.op() == Operation::kRequest && header.type == kTypeStream) return OnRequest(header);
    if (header.op() != Operation::kReset) OweReset(key);
    return;
  }
  if (header.op() == Operation::kRequest || header.type != kTypeStream) {
    entry->connection.Reset();
  } else {
    entry->connection.OnPacket(header, pieces_);
  }
  Settle(*entry);
}

void Muxer::OnRequest(const PacketHeader& header) {
  const ConnectionKey key = KeyOf(header);
  if (Full() || Find(key) != nullptr) return OweReset(key);
  absl::StatusOr<UniqueFd> socket =
      ConnectUnix(fmt::format("{}_{}", options_.forward_prefix, key.host_port));
  if (!socket.ok()) return OweReset(key);
  Entry* const entry = Add(Connection(key, *std::move(socket), header));
  if (entry != nullptr) Settle(*entry);
}

// ---- host to guest ----

void Muxer::PumpRx() {
  if (!CanMove() || (resets_.empty() && ready_.empty())) return;
  Virtqueue& queue = *rx().queue;
  queue.DisableKicks();
  // Kicks are asked for only when buffers have run out.
  while (!FillRx(queue) && CanMove() && queue.EnableKicks()) queue.DisableKicks();
  if (!CanMove()) return;
  if (queue.Publish()) rx().Call();
  if (tx_held_ && resets_.size() < kMaxResets / 2) {
    tx_held_ = false;
    PumpTx();
  }
}

// Sends what is owed; false when buffers have run out (or the device broke).
bool Muxer::FillRx(Virtqueue& queue) {
  while (!resets_.empty()) {
    PacketHeader header;
    header.source_cid = kHostCid;
    header.destination_cid = options_.guest_cid;
    header.source_port = resets_.front().host_port;
    header.destination_port = resets_.front().guest_port;
    header.operation = static_cast<uint16_t>(Operation::kReset);
    if (!Sent(writer_.WriteControl(queue, header))) return false;
    resets_.pop_front();
  }
  while (!ready_.empty()) {
    const ConnectionKey key = ready_.front();
    Entry* const entry = Find(key);
    if (entry == nullptr) {
      ready_.pop_front();
      continue;
    }
    if (!Serve(queue, *entry)) return false;
    ready_.pop_front();
    entry->queued = false;
    Settle(*entry);
    if (!resets_.empty()) return FillRx(queue);
  }
  return true;
}

// What one connection has: its control packets, then one read. False when buffers have run out.
bool Muxer::Serve(Virtqueue& queue, Entry& entry) {
  Connection& connection = entry.connection;
  while (connection.HasControl()) {
    if (!queue.HasAvailable()) return false;
    if (!Sent(writer_.WriteControl(queue, connection.TakeControl()))) return false;
  }
  if (connection.HasPayload() && !Sent(writer_.WritePayload(queue, connection))) return false;
  while (connection.HasControl()) {
    if (!queue.HasAvailable()) return false;
    if (!Sent(writer_.WriteControl(queue, connection.TakeControl()))) return false;
  }
  return true;
}

// What a write to the rx ring came to: true when the packet is on its way. A ring that broke the
// rules breaks the device.
bool Muxer::Sent(const absl::StatusOr<bool>& written) {
  if (!written.ok()) Break(written.status());
  return written.ok() && *written;
}

// ---- host programs ----

absl::Status Muxer::Listen(int listener) { return clients_.Listen(listener); }

bool Muxer::Full() const {
  return connections_.size() + clients_.size() >= options_.max_connections;
}

void Muxer::OnClient(UniqueFd socket, uint32_t guest_port) {
  ConnectionKey key{table_.NextHostPort(), guest_port};
  while (Find(key) != nullptr) key.host_port = table_.NextHostPort();
  Entry* const entry = Add(Connection(key, options_.guest_cid, std::move(socket)));
  if (entry == nullptr) return;
  Settle(*entry);
  PumpRx();
}

void Muxer::OnSocket(ConnectionKey key, uint32_t events) {
  Entry* const entry = Find(key);
  if (entry == nullptr) return;
  entry->connection.OnSocket(events);
  Settle(*entry);
  PumpRx();
}

// ---- connections ----

Muxer::Entry* Muxer::Find(ConnectionKey key) {
  const auto found = connections_.find(key);
  return found == connections_.end() ? nullptr : found->second.get();
}

Muxer::Entry* Muxer::Add(Connection connection) {
  const ConnectionKey key = connection.key();
  const absl::Status watched = loop_.Watch(connection.socket(), connection.WantedEvents(),
                                           [this, key](uint32_t events) { OnSocket(key, events); });
  if (!watched.ok()) {
    log_.Warn("connection refused", {{"reason", std::string(Message(watched))}});
    if (connection.state() != Connection::State::kWaiting) OweReset(key);
    return nullptr;
  }
  table_.Insert(key);
  auto& slot = connections_[key];
  slot = std::make_unique<Entry>(Entry{std::move(connection)});
  return slot.get();
}

bool Muxer::Settle(Entry& entry) {
  Connection& connection = entry.connection;
  if (connection.state() == Connection::State::kDone) {
    const ConnectionKey key = connection.key();
    if (connection.owes_reset()) OweReset(key);
    Remove(key);
    return false;
  }
  loop_.Rearm(connection.socket(), connection.WantedEvents());
  if (connection.HasControl() || connection.HasPayload()) Enqueue(entry);
  if (!connection.WaitsForGuest()) {
    entry.deadline.reset();
  } else if (!entry.deadline.has_value()) {
    entry.deadline = Clock::now() + absl::ToChronoNanoseconds(options_.patience);
    deadlines_.emplace_back(*entry.deadline, connection.key());
    StartTimer();
  }
  return true;
}

void Muxer::Enqueue(Entry& entry) {
  if (entry.queued) return;
  entry.queued = true;
  ready_.push_back(entry.connection.key());
}

void Muxer::Remove(ConnectionKey key) {
  Entry* const entry = Find(key);
  if (entry == nullptr) return;
  loop_.Forget(entry->connection.socket());
  // A guest without receive buffers could else make the queue grow without end.
  if (entry->queued) std::erase(ready_, key);
  table_.Erase(key);
  connections_.erase(key);
}

void Muxer::OweReset(ConnectionKey key) { resets_.push_back(key); }

void Muxer::StartTimer() {
  if (timer_ != 0 || deadlines_.empty()) return;
  const auto left = deadlines_.front().first - Clock::now();
  timer_ = loop_.RunAfter(absl::FromChrono(left), [this] {
    timer_ = 0;
    OnTimer();
  });
}

// The kill queue: guests that owe an answer for too long. While the guest is paused nobody's time
// runs out.
void Muxer::OnTimer() {
  const Clock::time_point now = Clock::now();
  while (!deadlines_.empty() && deadlines_.front().first <= now) {
    const auto [deadline, key] = deadlines_.front();
    deadlines_.pop_front();
    Entry* const entry = Find(key);
    if (entry == nullptr || entry->deadline != deadline) continue;
    entry->deadline.reset();
    if (CanMove()) entry->connection.OnTimeout();
    Settle(*entry);
  }
  StartTimer();
  PumpRx();
}

}  // namespace ember::vsock
