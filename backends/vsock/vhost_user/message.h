#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/unique_fd.h"

// The vhost-user wire format (QEMU's docs/interop/vhost-user.rst): a 12-byte header, a payload of
// the length it names, and descriptors as ancillary data of the header's first byte. Little-endian.
namespace ember::vhost_user {

enum class Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
  kSetConfig = 25,
};

// Bits of Header::flags.
inline constexpr uint32_t kVersionMask = 0x3;
inline constexpr uint32_t kVersion = 0x1;
inline constexpr uint32_t kReplyFlag = 0x4;
inline constexpr uint32_t kNeedReplyFlag = 0x8;

struct Header {
  uint32_t request;
  uint32_t flags;
  uint32_t size;  // of the payload, in bytes
};
static_assert(sizeof(Header) == 12);

// No message that we offer is longer: the configuration space's is (12 + 256 bytes), a memory table
// of eight regions has 264.
inline constexpr size_t kMaxPayload = 4096;
inline constexpr size_t kMaxFds = 8;
inline constexpr size_t kMaxRegions = 8;

struct VringState {
  uint32_t index;
  uint32_t value;
};

struct VringAddress {
  uint32_t index;
  uint32_t flags;
  uint64_t descriptors;  // addresses of the front-end's process, as are the next two
  uint64_t used;
  uint64_t available;
  uint64_t log;
  friend bool operator==(const VringAddress&, const VringAddress&) = default;
};
static_assert(sizeof(VringAddress) == 40);

struct MemoryRegion {
  uint64_t guest_address;
  uint64_t size;          // bytes
  uint64_t user_address;  // in the front-end's process
  uint64_t mmap_offset;   // in the region's descriptor
};
static_assert(sizeof(MemoryRegion) == 32);

struct ConfigRange {
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(ConfigRange) == 12);

// Bits of the 64-bit value of SET_VRING_KICK, _CALL and _ERR.
inline constexpr uint64_t kVringIndexMask = 0xff;
inline constexpr uint64_t kVringNoFd = 0x100;

// One request with what came along. Owns its descriptors: those nobody takes are closed with it.
struct RequestMessage {
  Header header{};
  std::string payload;
  std::vector<UniqueFd> fds;

  Request request() const { return static_cast<Request>(header.request); }
};

// The payload as T when it has exactly T's size, else InvalidArgument.
template <typename T>
absl::StatusOr<T> PayloadAs(const RequestMessage& message);

// The regions of SET_MEM_TABLE. InvalidArgument unless there are one to eight, and as many
// descriptors.
absl::StatusOr<std::vector<MemoryRegion>> ParseMemoryTable(const RequestMessage& message);

// Checks a header: version 1, not a reply, a payload of at most kMaxPayload bytes.
absl::Status CheckHeader(const Header& header);

// Receives one whole request from a stream socket. Nothing when the peer closed between two
// messages. DataLoss when it closed within one; InvalidArgument for a bad header or more than
// kMaxFds descriptors. Blocks until `cancellation` ends it.
absl::StatusOr<std::optional<RequestMessage>> ReceiveRequest(int socket,
                                                             const Cancellation& cancellation);

// Sends a request, descriptors included; they stay the message's. Blocks likewise.
absl::Status SendRequest(int socket, const RequestMessage& message,
                         const Cancellation& cancellation);

// Sends the reply to `request`. Blocks likewise.
absl::Status SendReply(int socket, const Header& request, std::string_view payload,
                       const Cancellation& cancellation);

// Receives the reply to `request`: its payload. Blocks likewise.
absl::StatusOr<std::string> ReceiveReply(int socket, const Header& request,
                                         const Cancellation& cancellation);

// A value's bytes as a payload.
template <typename T>
std::string BytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace ember::vhost_user
