#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "backends/vsock/connection.h"
#include "backends/vsock/packet.h"
#include "backends/vsock/vhost_user/virtqueue.h"

namespace ember::vsock {

// Puts packets into the guest's receive buffers. Takes no more buffers than it fills; the driver
// sees them after Virtqueue::Publish. Both functions answer false when the ring has no buffer, and
// an error when a buffer is against the rules: the ring must then not be used any more. Not
// thread-safe.
class PacketWriter {
 public:
  PacketWriter();

  // Writes a packet without payload.
  absl::StatusOr<bool> WriteControl(vhost_user::Virtqueue& queue, const PacketHeader& header);
  // Reads what the connection's socket has, as far as buffers and credit go, by one call straight
  // into up to 64 buffers, each of which becomes a packet. True also when the socket had nothing.
  absl::StatusOr<bool> WritePayload(vhost_user::Virtqueue& queue, Connection& connection);

 private:
  absl::StatusOr<size_t> TakeBuffers(vhost_user::Virtqueue& queue, uint64_t limit);
  void ReturnBuffers(vhost_user::Virtqueue& queue, Connection& connection, size_t taken,
                     size_t filled);

  // Kept to allocate once.
  std::vector<vhost_user::DescriptorChain> buffers_;
  std::vector<iovec> pieces_;
};

}  // namespace ember::vsock
