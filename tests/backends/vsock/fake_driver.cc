#include "tests/backends/vsock/fake_driver.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "backends/vsock/vhost_user/server.h"
#include "base/cancellation.h"
#include "tests/support/status_matchers.h"

namespace ember::vsock::testing {
namespace {

using vhost_user::BytesOf;
using vhost_user::Descriptor;
using vhost_user::Request;

constexpr uint64_t kRingSpace = 0x10000;   // of each ring
constexpr uint64_t kBufferSpace = 0x2000;  // of each rx buffer
constexpr uint64_t kTxBufferSpace = 0x12000;
constexpr uint64_t kIndirectAt = 0xc000;  // tables, from a ring's start
constexpr int kPatienceMs = 5000;

uint16_t* Word(char* memory) { return reinterpret_cast<uint16_t*>(memory); }

}  // namespace

FakeDriver::FakeDriver(UniqueFd socket, Options options)
    : socket_(std::move(socket)),
      options_(options),
      memory_fd_(memfd_create("guest", MFD_CLOEXEC)) {
  REQUIRE(ftruncate(memory_fd_.get(), kMemory) == 0);
  void* const memory =
      mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0);
  REQUIRE(memory != MAP_FAILED);
  memory_ = static_cast<char*>(memory);
  for (uint32_t ring = 0; ring < 2; ++ring) {
    const uint64_t base = kGuestBase + ring * kRingSpace;
    rings_[ring] = {base, base + 0x4000, base + 0x8000};
    kick_[ring].Reset(eventfd(0, EFD_CLOEXEC));
    call_[ring].Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  next_scratch_ = kGuestBase + 0xc00000;
}

char* FakeDriver::Memory(uint64_t guest_address) { return memory_ + (guest_address - kGuestBase); }

uint64_t FakeDriver::Scratch(uint64_t size) {
  const uint64_t address = next_scratch_;
  next_scratch_ += (size + 15) / 16 * 16;
  REQUIRE(next_scratch_ < kGuestBase + kMemory);
  return address;
}

// ---- vhost-user ----

std::string FakeDriver::Ask(Request request, const std::string& payload,
                            const std::vector<int>& fds) {
  const Cancellation soon = Cancellation::After(absl::Milliseconds(kPatienceMs));
  vhost_user::RequestMessage message;
  message.header = {static_cast<uint32_t>(request),
                    vhost_user::kVersion | (acks_ ? vhost_user::kNeedReplyFlag : 0),
                    static_cast<uint32_t>(payload.size())};
  message.payload = payload;
  for (const int fd : fds) message.fds.emplace_back(dup(fd));
  REQUIRE_OK(vhost_user::SendRequest(socket_.get(), message, soon));
  const bool question = request == Request::kGetFeatures || request == Request::kGetVringBase ||
                        request == Request::kGetProtocolFeatures ||
                        request == Request::kGetQueueNum || request == Request::kGetConfig;
  if (options_.peer == Peer::kKeeper && !question && !acks_) return "";
  return ember::testing::ValueOf(vhost_user::ReceiveReply(socket_.get(), message.header, soon));
}

void FakeDriver::SendRequestOnly(const vhost_user::RequestMessage& message) {
  REQUIRE_OK(vhost_user::SendRequest(socket_.get(), message,
                                     Cancellation::After(absl::Milliseconds(kPatienceMs))));
}

void FakeDriver::Negotiate() {
  Ask(Request::kGetFeatures, "");
  Ask(Request::kSetOwner, "");
  Ask(Request::kSetProtocolFeatures,
      BytesOf(vhost_user::kProtocolReplyAck | vhost_user::kProtocolConfig));
  acks_ = true;
  Ask(Request::kSetFeatures, BytesOf(options_.features));
  SendMemoryTable();
}

void FakeDriver::SendMemoryTable() {
  const vhost_user::MemoryRegion region{kGuestBase, kMemory, kUserBase, 0};
  Ask(Request::kSetMemTable, BytesOf(uint64_t{1}) + BytesOf(region), {memory_fd_.get()});
}

void FakeDriver::SetRing(uint32_t ring, uint16_t base) {
  const uint64_t shift = kUserBase - kGuestBase;
  const RingMemory& at = rings_[ring];
  Ask(Request::kSetVringNum, BytesOf(vhost_user::VringState{ring, kRingSize}));
  Ask(Request::kSetVringBase, BytesOf(vhost_user::VringState{ring, base}));
  Ask(Request::kSetVringAddr,
      BytesOf(vhost_user::VringAddress{ring, 0, at.descriptors + shift, at.used + shift,
                                       at.available + shift, 0}));
  Ask(Request::kSetVringKick, BytesOf(uint64_t{ring}), {kick_[ring].get()});
  Ask(Request::kSetVringCall, BytesOf(uint64_t{ring}), {call_[ring].get()});
}

void FakeDriver::StartRings(uint16_t rx_base, uint16_t tx_base) {
  SetRing(0, rx_base);
  SetRing(1, tx_base);
  Ask(Request::kSetVringEnable, BytesOf(vhost_user::VringState{0, 1}));
  Ask(Request::kSetVringEnable, BytesOf(vhost_user::VringState{1, 1}));
}

uint16_t FakeDriver::StopRing(uint32_t ring) {
  const std::string reply = Ask(Request::kGetVringBase, BytesOf(vhost_user::VringState{ring, 0}));
  REQUIRE(reply.size() == sizeof(vhost_user::VringState));
  vhost_user::VringState state;
  std::memcpy(&state, reply.data(), sizeof(state));
  return static_cast<uint16_t>(state.value);
}

// ---- rings ----

void FakeDriver::PutDescriptor(uint64_t table, uint16_t index, const Descriptor& descriptor) {
  std::memcpy(Memory(table) + index * sizeof(Descriptor), &descriptor, sizeof(descriptor));
}

// A buffer of one slot, which has two descriptors of the table, in the driver's style.
void FakeDriver::Describe(uint32_t ring, uint16_t slot, uint64_t address, uint32_t length,
                          uint16_t flags, ChainStyle style) {
  constexpr uint32_t kFirst = 20;  // a header that is cut in two
  const uint16_t index = static_cast<uint16_t>(slot * 2);
  const uint64_t table = rings_[ring].descriptors;
  const Descriptor first{address, kFirst,
                         static_cast<uint16_t>(flags | vhost_user::kDescriptorNext),
                         static_cast<uint16_t>(index + 1)};
  const Descriptor rest{address + kFirst, length - kFirst, flags, 0};
  if (style == ChainStyle::kOne) {
    PutDescriptor(table, index, {address, length, flags, 0});
  } else if (style == ChainStyle::kSplit) {
    PutDescriptor(table, index, first);
    PutDescriptor(table, static_cast<uint16_t>(index + 1), rest);
  } else {
    // The tables are the last things of a ring's space.
    const uint64_t at = table + kIndirectAt + slot * 2 * sizeof(Descriptor);
    Descriptor head = first;
    head.next = 1;
    PutDescriptor(at, 0, head);
    PutDescriptor(at, 1, rest);
    PutDescriptor(table, index, {at, 2 * sizeof(Descriptor), vhost_user::kDescriptorIndirect, 0});
  }
}

void FakeDriver::MakeAvailable(uint32_t ring, uint16_t head) {
  uint16_t* const available = Word(Memory(rings_[ring].available));
  available[2 + available_[ring] % kRingSize] = head;
  std::atomic_ref<uint16_t>(available[1]).store(++available_[ring], std::memory_order_seq_cst);
}

void FakeDriver::Kick(uint32_t ring) { eventfd_write(kick_[ring].get(), 1); }

void FakeDriver::PostReceiveBuffers(uint16_t count) {
  for (uint16_t i = 0; i < count; ++i) {
    const uint16_t slot = available_[0] % (kRingSize / 2);
    Describe(0, slot, kGuestBase + 0x100000 + slot * kBufferSpace, kBufferSize,
             vhost_user::kDescriptorWrite, options_.style);
    MakeAvailable(0, static_cast<uint16_t>(slot * 2));
  }
  Kick(0);
}

void FakeDriver::Send(const PacketHeader& header, std::string_view payload) {
  const uint16_t slot = available_[1] % (kRingSize / 2);
  const uint64_t address = kGuestBase + 0x300000 + slot * kTxBufferSpace;
  std::memcpy(Memory(address), &header, sizeof(header));
  payload.copy(Memory(address) + sizeof(header), payload.size());
  Describe(1, slot, address, static_cast<uint32_t>(sizeof(header) + payload.size()), 0,
           options_.style);
  MakeAvailable(1, static_cast<uint16_t>(slot * 2));
  Kick(1);
  WaitForTxUsed();
}

void FakeDriver::SendRaw(const std::vector<Descriptor>& chain) {
  for (size_t i = 0; i < chain.size(); ++i) {
    PutDescriptor(rings_[1].descriptors, static_cast<uint16_t>(i), chain[i]);
  }
  MakeAvailable(1, 0);
  Kick(1);
}

uint16_t FakeDriver::UsedIndex(uint32_t ring) {
  return std::atomic_ref<uint16_t>(Word(Memory(rings_[ring].used))[1]).load();
}

bool FakeDriver::WaitForUsed(uint32_t ring, uint16_t beyond, int millis) {
  const Cancellation soon = Cancellation::After(absl::Milliseconds(millis));
  uint16_t* const event = Word(Memory(rings_[ring].available)) + 2 + kRingSize;
  while (true) {
    std::atomic_ref<uint16_t>(*event).store(beyond, std::memory_order_seq_cst);
    if (UsedIndex(ring) != beyond) return true;
    // The device must call: this is no polling.
    if (!soon.WaitReadable(call_[ring].get(), "call").ok()) return false;
    eventfd_t ignored;
    eventfd_read(call_[ring].get(), &ignored);
  }
}

bool FakeDriver::TxUsedWithin(int millis) {
  while (seen_used_[1] != available_[1]) {
    if (!WaitForUsed(1, seen_used_[1], millis)) return false;
    seen_used_[1] = UsedIndex(1);
  }
  return true;
}

void FakeDriver::WaitForTxUsed() { REQUIRE(TxUsedWithin(kPatienceMs)); }

bool FakeDriver::Silent(int millis) { return !WaitForUsed(0, seen_used_[0], millis); }

FakeDriver::Packet FakeDriver::Receive() {
  REQUIRE(WaitForUsed(0, seen_used_[0], kPatienceMs));
  struct {
    uint32_t id, length;
  } element;
  std::memcpy(&element, Memory(rings_[0].used) + 4 + seen_used_[0] % kRingSize * 8, 8);
  ++seen_used_[0];
  const char* const bytes = Memory(kGuestBase + 0x100000 + element.id / 2 * kBufferSpace);
  Packet packet;
  REQUIRE(element.length >= sizeof(packet.header));
  std::memcpy(&packet.header, bytes, sizeof(packet.header));
  packet.payload.assign(bytes + sizeof(packet.header), element.length - sizeof(packet.header));
  CHECK(packet.header.length == packet.payload.size());
  PostReceiveBuffers(1);
  return packet;
}

PacketHeader FakeDriver::Header(Operation operation, uint32_t guest_port,
                                uint32_t host_port) const {
  PacketHeader header;
  header.source_cid = 3;
  header.destination_cid = kHostCid;
  header.source_port = guest_port;
  header.destination_port = host_port;
  header.operation = static_cast<uint16_t>(operation);
  header.buffer_size = buffer_size;
  header.forwarded = forwarded;
  return header;
}

}  // namespace ember::vsock::testing
