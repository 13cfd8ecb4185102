#include "backends/vsock/packet_writer.h"

#include <limits.h>

#include <algorithm>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::vsock {
namespace {

using vhost_user::DescriptorChain;
using vhost_user::Virtqueue;

// Buffers that one read may fill.
constexpr size_t kMaxBuffers = 64;

absl::Status TooSmall(const DescriptorChain& buffer) {
  return InvalidArgument("driver: a receive buffer of {} bytes", buffer.writable_bytes);
}

}  // namespace

PacketWriter::PacketWriter() : buffers_(kMaxBuffers) {}

absl::StatusOr<bool> PacketWriter::WriteControl(Virtqueue& queue, const PacketHeader& header) {
  DescriptorChain& buffer = buffers_[0];
  ASSIGN_OR_RETURN(const bool taken, queue.Pop(buffer));
  if (!taken) return false;
  if (buffer.writable_bytes < sizeof(header)) return TooSmall(buffer);
  WriteHeader(header, buffer.writable);
  queue.Push(buffer.head, sizeof(header));
  return true;
}

absl::StatusOr<bool> PacketWriter::WritePayload(Virtqueue& queue, Connection& connection) {
  ASSIGN_OR_RETURN(const size_t taken, TakeBuffers(queue, connection.Credit()));
  if (taken == 0) return false;
  ReturnBuffers(queue, connection, taken, connection.ReadPayload(pieces_));
  return true;
}

// Takes buffers with room for up to `limit` bytes of payload; pieces_ gets where it goes.
absl::StatusOr<size_t> PacketWriter::TakeBuffers(Virtqueue& queue, uint64_t limit) {
  pieces_.clear();
  size_t taken = 0;
  uint64_t room = 0;
  while (taken < kMaxBuffers && room < limit) {
    DescriptorChain& buffer = buffers_[taken];
    ASSIGN_OR_RETURN(const bool popped, queue.Pop(buffer));
    if (!popped) break;
    // A buffer without room for a payload would make no progress.
    if (buffer.writable_bytes <= sizeof(PacketHeader)) return TooSmall(buffer);
    if (taken > 0 && pieces_.size() + buffer.writable.size() > IOV_MAX) {
      queue.Unpop(1);
      break;
    }
    room += AppendSlice(buffer.writable, sizeof(PacketHeader), limit - room, pieces_);
    ++taken;
  }
  if (pieces_.size() > IOV_MAX) pieces_.resize(IOV_MAX);
  return taken;
}

// Gives the buffers that were filled to the driver, each with its header, and puts the rest back.
void PacketWriter::ReturnBuffers(Virtqueue& queue, Connection& connection, size_t taken,
                                 size_t filled) {
  size_t used = 0;
  for (; used < taken && filled > 0; ++used) {
    const DescriptorChain& buffer = buffers_[used];
    const size_t length = std::min<uint64_t>(filled, buffer.writable_bytes - sizeof(PacketHeader));
    WriteHeader(connection.PayloadHeader(static_cast<uint32_t>(length)), buffer.writable);
    queue.Push(buffer.head, static_cast<uint32_t>(sizeof(PacketHeader) + length));
    filled -= length;
  }
  queue.Unpop(static_cast<uint16_t>(taken - used));
}

}  // namespace ember::vsock
