#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// The packets of the socket device (virtio 1.2, section 5.10.6): a header of 44 bytes, then the
// payload. Both rings carry the same packets. Addresses are a CID and a port; the host's CID is 2.
//
// Credit: each side says in every packet how large its receive buffer for the connection is
// (buf_alloc) and how many bytes it has taken out of it in all (fwd_cnt). A sender may have at most
// buf_alloc bytes under way that were sent and not yet counted there; all counters wrap at 2^32.
namespace ember::vsock {

inline constexpr uint64_t kHostCid = 2;
inline constexpr uint16_t kTypeStream = 1;

enum class Operation : uint16_t {
  kInvalid = 0,
  kRequest = 1,        // connect; answered by kResponse or kReset
  kResponse = 2,       // accepted
  kReset = 3,          // refused, or gone
  kShutdown = 4,       // flags say which directions end
  kReadWrite = 5,      // payload
  kCreditUpdate = 6,   // only the credit fields mean something
  kCreditRequest = 7,  // asks for a kCreditUpdate
};

// Flags of kShutdown: the sender will receive, or send, nothing more.
inline constexpr uint32_t kShutdownReceive = 1;
inline constexpr uint32_t kShutdownSend = 2;
inline constexpr uint32_t kShutdownBoth = 3;

// The header as it lies in memory, little-endian.
struct [[gnu::packed]] PacketHeader {
  uint64_t source_cid = 0;
  uint64_t destination_cid = 0;
  uint32_t source_port = 0;
  uint32_t destination_port = 0;
  uint32_t length = 0;  // of the payload, in bytes
  uint16_t type = kTypeStream;
  uint16_t operation = 0;
  uint32_t flags = 0;
  uint32_t buffer_size = 0;  // buf_alloc
  uint32_t forwarded = 0;    // fwd_cnt

  Operation op() const { return static_cast<Operation>(operation); }
  friend bool operator==(const PacketHeader&, const PacketHeader&) = default;
};
static_assert(sizeof(PacketHeader) == 44);

// Cuts the header off the front of a packet that may be scattered in any way. False when the pieces
// hold less than a header. `payload` gets what lies behind it, up to the header's length; it holds
// less when the pieces do.
bool SplitPacket(std::span<const iovec> pieces, PacketHeader& header, std::vector<iovec>& payload);

// The number of bytes in `pieces`.
uint64_t TotalBytes(std::span<const iovec> pieces);

// Appends what lies behind the first `skip` bytes of `pieces`, at most `limit` bytes of it, to
// `out`. The number of bytes appended.
uint64_t AppendSlice(std::span<const iovec> pieces, uint64_t skip, uint64_t limit,
                     std::vector<iovec>& out);

// Writes a header over the first bytes of `pieces`, which hold at least that many.
void WriteHeader(const PacketHeader& header, std::span<const iovec> pieces);

}  // namespace ember::vsock
