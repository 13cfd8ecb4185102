#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/vsock/packet.h"
#include "backends/vsock/vhost_user/message.h"
#include "backends/vsock/vhost_user/virtqueue.h"
#include "base/unique_fd.h"

namespace ember::vsock::testing {

// How a driver lays out a packet's buffer.
enum class ChainStyle { kOne, kSplit, kIndirect };

// QEMU and a guest's driver in one: speaks vhost-user on a socket and owns both rings in a memfd.
// Fails the running test when something it waits for doesn't come within five seconds.
class FakeDriver {
 public:
  static constexpr uint16_t kRingSize = 128;
  static constexpr uint64_t kGuestBase = 0x100000;
  static constexpr uint64_t kUserBase = 0x7f5500000000;
  static constexpr uint64_t kMemory = 16 << 20;
  static constexpr uint32_t kBufferSize = 44 + 4096;

  // Whether every request is answered (a worker's control socket) or only as vhost-user says.
  enum class Peer { kWorker, kKeeper };

  struct Options {
    Peer peer = Peer::kWorker;
    uint64_t features = vhost_user::kFeatureVersion1 | vhost_user::kFeatureProtocolFeatures;
    ChainStyle style = ChainStyle::kOne;
    uint16_t rx_buffers = 64;
  };

  FakeDriver(UniqueFd socket, Options options);

  // vhost-user.
  std::string Ask(vhost_user::Request request, const std::string& payload,
                  const std::vector<int>& fds = {});
  // Sends a request as it is; nothing is waited for.
  void SendRequestOnly(const vhost_user::RequestMessage& message);
  void Negotiate();
  void StartRings(uint16_t rx_base = 0, uint16_t tx_base = 0);
  void SendMemoryTable();
  uint16_t StopRing(uint32_t ring);
  void CloseSocket() { socket_.Reset(); }

  // The guest's side of the rings.
  void PostReceiveBuffers(uint16_t count);
  void Send(const PacketHeader& header, std::string_view payload = {});
  // Makes a descriptor chain available in the tx ring just as it is, and kicks.
  void SendRaw(const std::vector<vhost_user::Descriptor>& chain);
  // The next packet; the buffer is posted again.
  struct Packet {
    PacketHeader header;
    std::string payload;
  };
  Packet Receive();
  // Nothing comes while `millis` pass.
  bool Silent(int millis);
  // Waits until the device has given back every tx buffer.
  void WaitForTxUsed();
  bool TxUsedWithin(int millis);

  // A header from the guest's port to the host's.
  PacketHeader Header(Operation operation, uint32_t guest_port, uint32_t host_port) const;

  char* Memory(uint64_t guest_address);
  uint64_t Scratch(uint64_t size);  // a guest address nobody else uses
  void Kick(uint32_t ring);
  uint16_t tx_available() const { return available_[1]; }

  uint32_t buffer_size = 256 * 1024;  // what Header() says of the guest's credit
  uint32_t forwarded = 0;

 private:
  struct RingMemory {
    uint64_t descriptors, available, used;  // guest addresses
  };
  void MakeAvailable(uint32_t ring, uint16_t head);
  void Describe(uint32_t ring, uint16_t slot, uint64_t address, uint32_t length, uint16_t flags,
                ChainStyle style);
  void PutDescriptor(uint64_t table, uint16_t index, const vhost_user::Descriptor& descriptor);
  uint16_t UsedIndex(uint32_t ring);
  bool WaitForUsed(uint32_t ring, uint16_t beyond, int millis);
  void SetRing(uint32_t ring, uint16_t base);

  UniqueFd socket_;
  Options options_;
  bool acks_ = false;
  UniqueFd memory_fd_;
  char* memory_;
  RingMemory rings_[2];
  UniqueFd kick_[2];
  UniqueFd call_[2];
  uint16_t available_[2] = {0, 0};
  uint16_t seen_used_[2] = {0, 0};
  uint64_t next_scratch_;
};

}  // namespace ember::vsock::testing
