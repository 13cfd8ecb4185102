#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/vsock/vhost_user/memory_map.h"
#include "backends/vsock/vhost_user/message.h"
#include "backends/vsock/vhost_user/virtqueue.h"
#include "base/unique_fd.h"

namespace ember::vhost_user {

// The two rings of a socket device that vhost-user serves; the event queue is the front-end's own.
inline constexpr size_t kRxRing = 0;  // device to guest
inline constexpr size_t kTxRing = 1;  // guest to device
inline constexpr size_t kRings = 2;

// Protocol feature bits.
inline constexpr uint64_t kProtocolReplyAck = uint64_t{1} << 3;
inline constexpr uint64_t kProtocolConfig = uint64_t{1} << 9;

// What a front-end has told about one ring.
struct Ring {
  Virtqueue::Layout layout;
  uint16_t base = 0;  // where to start: the index of the next buffer
  bool enabled = false;
  UniqueFd kick;
  UniqueFd call;
  std::optional<Virtqueue> queue;  // while the ring runs

  // Tells the driver that the used ring has something new.
  void Call() const;
};

// The back-end's side of vhost-user, without a socket: takes requests, keeps what they say
// (features, memory, rings), says what to answer. A ring runs from the moment it has memory,
// addresses, a kick and is enabled, until GET_VRING_BASE. Not thread-safe.
class Server {
 public:
  // What the one who moves the data wants to know. Each may be empty. Called within Handle.
  struct Listener {
    // The ring has just begun to run. `resumed`: it goes on where GET_VRING_BASE has stopped it, so
    // the driver is still the same.
    enum class Start { kFresh, kResumed };
    std::function<void(size_t ring, Start start)> started;
    // The ring can't run: what the driver says about it is wrong.
    std::function<void(size_t ring, const absl::Status& reason)> refused;
    // The ring has a new kick descriptor, or none any more; it is about to be closed in the latter
    // case.
    std::function<void(size_t ring)> kick_changing;
    std::function<void(size_t ring)> kick_changed;
    // The ring has stopped.
    std::function<void(size_t ring)> stopped;
  };

  // `config` is the device's configuration space.
  explicit Server(std::string config) : config_(std::move(config)) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void SetListener(Listener listener) { listener_ = std::move(listener); }

  // Does what one request asks; the payload of the reply that is due, if one is. An error means
  // that the front-end doesn't follow the protocol: the session is over. A descriptor that isn't
  // kept is closed.
  absl::StatusOr<std::optional<std::string>> Handle(RequestMessage message);

  // In a new process, made by fork, that takes over from one that died: the rings go on behind the
  // last buffer that was given back, and the listener hears of those that run.
  void Resume();

  Ring& ring(size_t index) { return rings_[index]; }
  const MemoryMap& memory() const { return memory_; }
  bool running(size_t index) const { return rings_[index].queue.has_value(); }

 private:
  using Answer = absl::StatusOr<std::optional<std::string>>;

  Answer Dispatch(RequestMessage& message);
  absl::Status Apply(RequestMessage& message);
  absl::Status SetFeatures(uint64_t features);
  absl::Status SetMemory(RequestMessage& message);
  absl::Status SetVringState(const RequestMessage& message);
  absl::Status SetVringAddress(const VringAddress& address);
  absl::Status SetVringFd(RequestMessage& message);
  absl::StatusOr<std::string> StopRing(const VringState& state);
  absl::StatusOr<std::string> ConfigReply(const RequestMessage& message) const;
  absl::StatusOr<Ring*> RingOf(uint64_t index);
  // Starts every ring that can run and does not.
  void StartRings();
  // Makes a running ring's pointers into memory anew. False when that can't be: it has stopped.
  bool Map(size_t index, uint16_t next_available);
  void ReplaceKick(size_t index, UniqueFd fd);

  const std::string config_;
  Listener listener_;
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
  MemoryMap memory_;
  std::array<Ring, kRings> rings_;
  std::array<std::optional<uint16_t>, kRings> stopped_at_;
};

}  // namespace ember::vhost_user
