#include "backends/vsock/vhost_user/server.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>

#include "base/socket.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vhost_user {
namespace {

constexpr uint64_t kOfferedFeatures =
    kFeatureVersion1 | kFeatureProtocolFeatures | kFeatureEventIdx | kFeatureIndirectDescriptors;
constexpr uint64_t kOfferedProtocolFeatures = kProtocolReplyAck | kProtocolConfig;

std::string Value(uint64_t value) { return BytesOf(value); }

}  // namespace

void Ring::Call() const {
  // A full counter already tells the driver; a ring without a call descriptor is polled.
  if (call.valid()) eventfd_write(call.get(), 1);
}

absl::StatusOr<std::optional<std::string>> Server::Handle(RequestMessage message) {
  const Header header = message.header;
  ASSIGN_OR_RETURN(std::optional<std::string> reply, Dispatch(message));
  const bool wants_ack =
      (header.flags & kNeedReplyFlag) != 0 && (protocol_features_ & kProtocolReplyAck) != 0;
  if (!reply.has_value() && wants_ack) reply = Value(0);
  return reply;
}

Server::Answer Server::Dispatch(RequestMessage& message) {
  switch (message.request()) {
    case Request::kGetFeatures:
      return Value(kOfferedFeatures);
    case Request::kGetProtocolFeatures:
      return Value(kOfferedProtocolFeatures);
    case Request::kGetQueueNum:
      return Value(kRings);
    case Request::kGetConfig:
      return ConfigReply(message);
    case Request::kGetVringBase: {
      ASSIGN_OR_RETURN(const VringState state, PayloadAs<VringState>(message));
      return StopRing(state);
    }
    default:
      RETURN_IF_ERROR(Apply(message));
      return std::nullopt;
  }
}

absl::Status Server::Apply(RequestMessage& message) {
  switch (message.request()) {
    case Request::kSetOwner:
    case Request::kResetOwner:
    case Request::kSetConfig:  // the space is read-only
      return absl::OkStatus();
    case Request::kSetFeatures: {
      ASSIGN_OR_RETURN(const uint64_t features, PayloadAs<uint64_t>(message));
      return SetFeatures(features);
    }
    case Request::kSetProtocolFeatures: {
      ASSIGN_OR_RETURN(protocol_features_, PayloadAs<uint64_t>(message));
      if ((protocol_features_ & ~kOfferedProtocolFeatures) == 0) return absl::OkStatus();
      return InvalidArgument("vhost-user: protocol features {:#x} were not offered",
                             protocol_features_);
    }
    case Request::kSetMemTable:
      return SetMemory(message);
    case Request::kSetVringNum:
    case Request::kSetVringBase:
    case Request::kSetVringEnable:
      return SetVringState(message);
    case Request::kSetVringAddr: {
      ASSIGN_OR_RETURN(const VringAddress address, PayloadAs<VringAddress>(message));
      return SetVringAddress(address);
    }
    case Request::kSetVringKick:
    case Request::kSetVringCall:
    case Request::kSetVringErr:
      return SetVringFd(message);
    default:
      return InvalidArgument("vhost-user: request {} is for a feature that was not offered",
                             message.header.request);
  }
}

absl::Status Server::SetFeatures(uint64_t features) {
  if ((features & ~kOfferedFeatures) != 0) {
    return InvalidArgument("vhost-user: features {:#x} were not offered", features);
  }
  features_ = features;
  // Without the protocol features a ring needs no word to be enabled.
  if ((features & kFeatureProtocolFeatures) == 0) {
    for (Ring& ring : rings_) ring.enabled = true;
  }
  return absl::OkStatus();
}

absl::Status Server::SetMemory(RequestMessage& message) {
  ASSIGN_OR_RETURN(const std::vector<MemoryRegion> regions, ParseMemoryTable(message));
  ASSIGN_OR_RETURN(memory_, MemoryMap::Create(regions, message.fds));
  for (size_t i = 0; i < kRings; ++i) {
    if (running(i)) Map(i, rings_[i].queue->next_available());
  }
  StartRings();
  return absl::OkStatus();
}

bool Server::Map(size_t index, uint16_t next_available) {
  Ring& ring = rings_[index];
  absl::StatusOr<Virtqueue> queue = Virtqueue::Create(memory_, ring.layout, next_available);
  if (queue.ok()) {
    ring.queue = *std::move(queue);
    return true;
  }
  // Addresses are the guest's choice: a wrong one must not end more than its own device.
  ring.queue.reset();
  if (listener_.refused) listener_.refused(index, queue.status());
  return false;
}

absl::StatusOr<Ring*> Server::RingOf(uint64_t index) {
  if (index < kRings) return &rings_[index];
  return InvalidArgument("vhost-user: ring {} of {}", index, kRings);
}

absl::Status Server::SetVringState(const RequestMessage& message) {
  ASSIGN_OR_RETURN(const VringState state, PayloadAs<VringState>(message));
  ASSIGN_OR_RETURN(Ring* const ring, RingOf(state.index));
  if (message.request() == Request::kSetVringEnable) {
    ring->enabled = state.value != 0;
    if (ring->enabled) {
      StartRings();
    } else if (ring->queue.has_value()) {
      ring->base = ring->queue->UsedIndexInMemory();
      stopped_at_[state.index] = ring->base;
      ring->queue.reset();
      if (listener_.stopped) listener_.stopped(state.index);
    }
    return absl::OkStatus();
  }
  if (ring->queue.has_value()) {
    return InvalidArgument("vhost-user: request {} for a ring that runs", message.header.request);
  }
  if (message.request() == Request::kSetVringNum) {
    ring->layout.size = state.value;
  } else {
    ring->base = static_cast<uint16_t>(state.value);
  }
  return absl::OkStatus();
}

absl::Status Server::SetVringAddress(const VringAddress& address) {
  ASSIGN_OR_RETURN(Ring* const ring, RingOf(address.index));
  ring->layout.address = address;
  // A running ring is told its addresses again when only the logging changes.
  if (ring->queue.has_value()) Map(address.index, ring->queue->next_available());
  StartRings();
  return absl::OkStatus();
}

absl::Status Server::SetVringFd(RequestMessage& message) {
  ASSIGN_OR_RETURN(const uint64_t value, PayloadAs<uint64_t>(message));
  const size_t index = value & kVringIndexMask;
  ASSIGN_OR_RETURN(Ring* const ring, RingOf(index));
  const bool has_fd = (value & kVringNoFd) == 0;
  if (message.fds.size() != (has_fd ? 1U : 0U)) {
    return InvalidArgument("vhost-user: request {} with {} descriptors", message.header.request,
                           message.fds.size());
  }
  UniqueFd fd = has_fd ? std::move(message.fds[0]) : UniqueFd();
  // A blocking eventfd would stop us when its counter is full, or empty after all.
  if (has_fd) RETURN_IF_ERROR(SetNonBlocking(fd.get()));
  if (message.request() == Request::kSetVringCall) {
    ring->call = std::move(fd);
    // What was signalled to the old descriptor may have been lost: a call too many does no harm.
    if (ring->queue.has_value()) ring->Call();
  } else if (message.request() == Request::kSetVringKick) {
    if (!has_fd) return InvalidArgument("vhost-user: ring {} is to be polled", index);
    ReplaceKick(index, std::move(fd));
    StartRings();
  }
  return absl::OkStatus();
}

void Server::ReplaceKick(size_t index, UniqueFd fd) {
  Ring& ring = rings_[index];
  if (ring.kick.valid() && listener_.kick_changing) listener_.kick_changing(index);
  ring.kick = std::move(fd);
  if (ring.kick.valid() && listener_.kick_changed) listener_.kick_changed(index);
}

absl::StatusOr<std::string> Server::StopRing(const VringState& state) {
  ASSIGN_OR_RETURN(Ring* const ring, RingOf(state.index));
  const bool ran = ring->queue.has_value();
  // At rest the next buffer to take is the one behind the last that was given back; a process that
  // only keeps the state, and moves no data, knows it from there too.
  if (ran) ring->base = ring->queue->UsedIndexInMemory();
  ring->queue.reset();
  ReplaceKick(state.index, UniqueFd());
  stopped_at_[state.index] = ring->base;
  if (ran && listener_.stopped) listener_.stopped(state.index);
  return BytesOf(VringState{state.index, ring->base});
}

void Server::StartRings() {
  for (size_t i = 0; i < kRings; ++i) {
    Ring& ring = rings_[i];
    const bool complete = ring.enabled && ring.kick.valid() && ring.layout.size != 0 &&
                          ring.layout.address.descriptors != 0 && !memory_.empty();
    if (!complete || ring.queue.has_value()) continue;
    ring.layout.features = features_;
    ring.layout.address.index = static_cast<uint32_t>(i);
    if (!Map(i, ring.base)) continue;
    const bool resumed = ring.base != 0 && stopped_at_[i] == ring.base;
    if (listener_.started) {
      listener_.started(i, resumed ? Listener::Start::kResumed : Listener::Start::kFresh);
    }
  }
}

void Server::Resume() {
  // All rings first: whoever hears of one may use both.
  for (size_t i = 0; i < kRings; ++i) {
    if (running(i)) Map(i, rings_[i].queue->UsedIndexInMemory());
  }
  for (size_t i = 0; i < kRings; ++i) {
    if (rings_[i].kick.valid() && listener_.kick_changed) listener_.kick_changed(i);
    if (running(i) && listener_.started) listener_.started(i, Listener::Start::kResumed);
  }
}

absl::StatusOr<std::string> Server::ConfigReply(const RequestMessage& message) const {
  ConfigRange range;
  if (message.payload.size() < sizeof(range)) {
    return InvalidArgument("vhost-user: GET_CONFIG with {} bytes", message.payload.size());
  }
  std::memcpy(&range, message.payload.data(), sizeof(range));
  const size_t room = message.payload.size() - sizeof(range);
  if (range.size > room || range.offset > config_.size() ||
      range.size > config_.size() - range.offset) {
    // The protocol's way to say no: a reply without content.
    return std::string();
  }
  std::string reply = message.payload;
  std::memcpy(reply.data() + sizeof(range), config_.data() + range.offset, range.size);
  return reply;
}

}  // namespace ember::vhost_user
